// greeter.mjs follows a gateway's events and greets every connection: it sends a line and sets a label. It shows what a
// back end in any language does with the generated client.
//
//   node greeter.mjs [control address] [how many to greet before it ends]
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventType } from "./gen/sockgate/v1/event_pb.js";
import { Outcome } from "./gen/sockgate/v1/connection_pb.js";
import { GatewayService } from "./gen/sockgate/v1/gateway_service_pb.js";

const [address = "127.0.0.1:8018", limit = "Infinity"] = process.argv.slice(2);
const gateway = createClient(GatewayService, createGrpcTransport({ baseUrl: `http://${address}` }));

async function greet(connection) {
  const { outcome } = await gateway.send({ id: connection.id, data: new TextEncoder().encode("welcome\n") });
  await gateway.setLabels({ connectionIds: [connection.id], set: { room: "lobby" } });
  console.log(`greeted ${connection.id}: ${Outcome[outcome]}`);
}

const end = new AbortController();
let greeted = 0;
try {
  // The snapshot first has a PRESENT event for every connection that is there already; then come the new ones.
  const stream = gateway.streamEvents(
    { snapshot: true, types: [EventType.CONNECTED, EventType.CLOSED] },
    { signal: end.signal },
  );
  for await (const { events } of stream) {
    for (const { type, connection, details } of events) {
      switch (type) {
        case EventType.SNAPSHOT_COMPLETE:
          console.log(`following, ${details.value.connections} connections are there`);
          break;
        case EventType.PRESENT:
        case EventType.CONNECTED:
          await greet(connection);
          if (++greeted >= Number(limit)) end.abort();
          break;
        case EventType.CLOSED:
          console.log(`${connection.id} closed after ${connection.bytesSent} bytes`);
          break;
        case EventType.GAP:
          console.log(`missed events ${details.value.from} to ${details.value.to}`);
          break;
      }
    }
  }
} catch (error) {
  if (!end.signal.aborted) {
    console.error(`greeter: ${error.rawMessage ?? error}; is a gateway's control plane at ${address}?`);
    process.exitCode = 1;
  }
}
