// An OAuth 2.0 server, and an API that takes its tokens. Ends when its standard input does.
// Usage: node oidc.mjs FOLDER-OF-NODE-MODULES CLIENT-SECRET
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , folder, secret] = process.argv;
const require = createRequire(`${folder}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { Provider, errors } = await load('oidc-provider');
const { createRemoteJWKSet, jwtVerify } = await load('jose');

const client = (client_id, token_endpoint_auth_method) => ({
  client_id,
  client_secret: secret,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method,
  scope: 'read write',
});
// A client without a secret: it signs with a key, of which the server knows the public half.
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256', use: 'sig' };
const { client_secret: _, ...signing } = client('signed', 'private_key_jwt');
const api = {
  scope: 'read write',
  audience: 'urn:api',
  accessTokenTTL: 900,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: 'RS256' } },
};

const known = (name) => {
  if (name === 'urn:api') return api;
  throw new errors.InvalidTarget();
};

const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

// The port is part of the issuer's name, so that it listens before it is there.
let handle;
const issuer = createServer((request, response) => handle(request, response));
const port = await listen(issuer);
const url = `http://127.0.0.1:${port}`;
const provider = new Provider(url, {
  clients: [client('basic', 'client_secret_basic'), client('post', 'client_secret_post'),
    { ...signing, jwks: { keys: [jwk] } }],
  scopes: ['read', 'write'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: { enabled: true, getResourceServerInfo: (_, name) => known(name) },
  },
});
let minted = 0;
provider.on('grant.success', () => (minted += 1));
handle = provider.callback();

// The API, in the form of an issue: its title says whose token it was shown. Issue 1 repeats the token, and issue 2
// takes it for the last time.
const keys = createRemoteJWKSet(new URL(`${url}/jwks`));
const refused = new Set();
const shop = createServer(async (request, response) => {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const number = Number(request.url.split('/').pop());
  const tell = (status, title) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ number, title, state: 'open', html_url: url }));
  };
  try {
    if (refused.has(token)) throw new Error('revoked');
    const { payload } = await jwtVerify(token, keys, { issuer: url, audience: 'urn:api' });
    if (number === 2) refused.add(token);
    tell(200, number === 1 ? token : `${payload.client_id} may ${payload.scope}, token ${minted}`);
  } catch {
    tell(401, 'no');
  }
});
const shopPort = await listen(shop);

const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
console.log(JSON.stringify({ token_endpoint: `${url}/token`, shop: `http://127.0.0.1:${shopPort}`, key }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
