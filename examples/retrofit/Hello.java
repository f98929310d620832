/* SPDX-License-Identifier: MIT */
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

/** Answers every HTTP request to 127.0.0.1 and the given port; knows nothing of SO_REUSEPORT. */
class Hello {
    public static void main(String[] arguments) throws Exception {
        var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]));
        var server = HttpServer.create(address, 0);
        var answer = (ProcessHandle.current().pid() + " says hello\n").getBytes();
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }
}
