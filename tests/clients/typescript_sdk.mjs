// One client of a TypeScript SDK. Usage: typescript_sdk.mjs MODULES SDK MODE PLACE; prints a claim in JSON on each line.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, sdk, mode, where] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const place = JSON.parse(where);
const asked = [];

const check = (claim, holds, seen) => console.log(JSON.stringify({ claim, holds: Boolean(holds), seen }));

// The one whom its client asks: accepts once, and then does not want to wait.
const answer = (question) => {
  asked.push(question.params.message);
  return asked.length === 1 ? { action: 'accept', content: {} } : { action: 'decline' };
};

async function newer() {
  const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
  const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');
  const options = { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } };
  const client = new Client({ name: 'typescript', version: '2' }, options);
  client.setRequestHandler('elicitation/create', async (question) => answer(question));
  await client.connect(transport(StdioClientTransport, StreamableHTTPClientTransport));
  return client;
}

async function older() {
  const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
  const { StdioClientTransport } = await load('@modelcontextprotocol/sdk/client/stdio.js');
  const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const { ElicitRequestSchema } = await load('@modelcontextprotocol/sdk/types.js');
  const client = new Client({ name: 'typescript', version: '1' }, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler(ElicitRequestSchema, async (question) => answer(question));
  await client.connect(transport(StdioClientTransport, StreamableHTTPClientTransport));
  return client;
}

function transport(Stdio, Http) {
  if (place.command) return new Stdio({ command: place.command[0], args: place.command.slice(1) });
  const headers = { Authorization: `Bearer ${place.token}` };
  return new Http(new URL(place.url), { requestInit: { headers } });
}

const client = sdk === '2' ? await newer() : await older();
const call = (name, given) => client.callTool({ name, arguments: given });
const { tools } = await client.listTools();
check('the tools are listed', tools.some((tool) => tool.name === 'get_forecast'), tools.map((tool) => tool.name));
const forecast = await call('get_forecast', { city: 'Berlin' });
check('a call answers', forecast.structuredContent?.place === 'Berlin, Germany', forecast);
const refused = await call('open_issue', { owner: 'evil', repo: 'site', title: 'hello' });
check('a call that no policy permits is refused', refused.isError && refused._meta['toolward/code'] === 'not-granted', refused);
const charge = { amount: 4400, currency: 'eur', description: `Invoice 7733, ${sdk} ${mode}` };
const held = await call('create_charge', charge);
check('a call that waits for a person says so', held.isError && held._meta['toolward/code'] === 'held', held);
const times = place.command || mode === 'auto' ? 2 : 0;
check(`its person is asked ${times} times`, asked.length === times, asked);
try {
  check('a tool that is not there is a protocol error', false, await call('get_forecasts', {}));
} catch (error) {
  check('a tool that is not there is a protocol error', error.code === -32602, String(error));
}
await client.close();
