// An issuer of access tokens, over TLS. Each line on standard input asks for something; it ends with it.
// Usage: node issuer.mjs FOLDER-OF-NODE-MODULES CERTIFICATE KEY
import { readFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:https';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [, , folder, certificate, key] = process.argv;
const require = createRequire(`${folder}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { Provider, errors } = await load('oidc-provider');
const { generateKeyPair, exportJWK } = await load('jose');

const cert = readFileSync(certificate);
let handle;
const server = createServer({ cert, key: readFileSync(key) }, (asked, answer) => handle(asked, answer));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `https://localhost:${server.address().port}`;

const audiences = ['urn:toolward:host', 'urn:elsewhere'];
const provider = (keys) =>
  new Provider(url, {
    clients: [
      {
        client_id: 'agent',
        client_secret: 'not-a-secret-of-anybody-0123456789',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_post',
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, name) => {
          if (!audiences.includes(name)) throw new errors.InvalidTarget();
          return { scope: '', audience: name, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
        },
      },
    },
  }).callback();

let names = 0;
const fresh = async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  names += 1;
  return { ...(await exportJWK(privateKey)), kid: `key-${names}`, use: 'sig', alg: 'ES256' };
};
let keys = [await fresh()];
handle = provider(keys);

const token = (resource) =>
  new Promise((resolve, reject) => {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'agent',
      client_secret: 'not-a-secret-of-anybody-0123456789',
      resource,
    }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': form.length };
    const agent = new Agent({ ca: cert });
    const asked = request(`${url}/token`, { method: 'POST', headers, agent, family: 4 }, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part));
      answer.on('end', () => resolve(JSON.parse(text).access_token));
    });
    asked.on('error', reject);
    asked.end(form);
  });

console.log(JSON.stringify({ issuer: url, jwks: `${url}/jwks` }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'rotate') {
    keys = [await fresh(), ...keys];
    handle = provider(keys);
    console.log(JSON.stringify({ keys: keys.length }));
  } else if (line === 'withdraw') {
    keys = keys.slice(0, 1);
    handle = provider(keys);
    console.log(JSON.stringify({ keys: keys.length }));
  } else {
    console.log(JSON.stringify({ token: await token(line) }));
  }
}
process.exit(0);
