import java.net.URI;
import java.net.http.*;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.*;

/** The JDK's own client, over HTTP/2 and HTTP/1.1, and its WebSocket; prints the denial. */
public class Client {
    public static void main(String[] arguments) throws Exception {
        for (var version : HttpClient.Version.values()) {
            var client = HttpClient.newBuilder().version(version).build();
            var small = client.send(ask("site.example/small").build(), BodyHandlers.ofString());
            check(small.body().equals("hello from upstream\n") && small.version() == version, small);
            var upload = ask("site.example/upload").POST(BodyPublishers.ofByteArray(new byte[300_000])).build();
            check(client.send(upload, BodyHandlers.ofString()).body().equals("300000"), upload);
        }
        var client = HttpClient.newHttpClient();
        var heard = new CompletableFuture<String>();
        var socket = client.newWebSocketBuilder().buildAsync(URI.create("wss://site.example/ws"), new WebSocket.Listener() {
            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean last) {
                heard.complete(text.toString());
                return null;
            }
        }).get(10, TimeUnit.SECONDS);
        socket.sendText("hello", true);
        check(heard.get(10, TimeUnit.SECONDS).equals("hello"), "not what was sent");
        var refused = client.send(
            ask("paste.example/upload").POST(BodyPublishers.ofByteArray(new byte[200_000])).build(), BodyHandlers.ofString());
        check(refused.statusCode() == 403, refused);
        System.out.println(refused.body());
        System.exit(0);
    }

    static HttpRequest.Builder ask(String path) {
        return HttpRequest.newBuilder(URI.create("https://" + path));
    }

    static void check(boolean held, Object otherwise) {
        if (!held) throw new AssertionError(otherwise);
    }
}
