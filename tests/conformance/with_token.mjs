// Loaded before the suite, which has no way to send a token: adds one to each request that Node
// makes, whichever client of Node's makes it, and changes nothing else.
import { subscribe } from "node:diagnostics_channel";

const value = `Bearer ${process.env.MCP_TOKEN}`;

subscribe("undici:request:create", ({ request }) => request.addHeader("authorization", value));
subscribe("http.client.request.created", ({ request }) =>
  request.setHeader("authorization", value),
);
