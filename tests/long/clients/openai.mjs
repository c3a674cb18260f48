// The steps of OpenAI's own client for Node, whose folder is the first argument, each with what it shows its user: the figures, or the refusal.
const { default: OpenAI } = await import(process.argv[2] + "/index.mjs");

const client = new OpenAI({ apiKey: "placeholder", maxRetries: 0 });
const asked = { model: "gpt-4o", max_tokens: 64, messages: [{ role: "user", content: "Tell me a joke" }] };

const steps = {
  async chat() {
    const answer = await client.chat.completions.create(asked);
    return [answer.choices[0].message.content, answer.usage];
  },
  async "chat-stream"() {
    let [text, usage] = ["", null];
    const options = { stream: true, stream_options: { include_usage: true } };
    for await (const event of await client.chat.completions.create({ ...asked, ...options })) {
      text += event.choices.map((choice) => choice.delta.content ?? "").join("");
      usage = event.usage ?? usage;
    }
    return [text, usage];
  },
};

const wanted = process.argv.length > 3 ? process.argv.slice(3) : Object.keys(steps);
for (const step of wanted) {
  try {
    const [text, usage] = await steps[step]();
    console.log(JSON.stringify({ step, text, usage }));
  } catch (refused) {
    const error = [refused.constructor.name, Object.getPrototypeOf(refused.constructor).name];
    console.log(JSON.stringify({ step, error, shown: refused.message }));
  }
}
