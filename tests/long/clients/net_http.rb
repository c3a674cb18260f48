require "net/http"

def ask(url, body)
  address = URI(url)
  Net::HTTP.start(address.host, address.port, use_ssl: true) do |http|
    return http.get(address.path) if body.nil?
    return http.post(address.path, body)
  end
end

raise "not what was sent" unless ask("https://site.example/small", nil).body == "hello from upstream\n"
raise "not what was sent" unless ask("https://site.example/upload", "x" * 300_000).body == "300000"
refused = ask("https://paste.example/upload", "x" * 200_000)
raise refused.code unless refused.code == "403"
puts refused.body
