// An OpenID provider for the tests: the certified implementation, with people and clients from the environment.
// It prints "ready" when it listens; the first sign-in page takes any known login without a password.
import * as http from 'node:http';
import Provider from 'oidc-provider';

const { issuer, port, clients, people } = JSON.parse(process.env.OPENID_PROVIDER);

const provider = new Provider(issuer, {
  clients,
  cookies: { keys: ['only-for-tests'] },
  claims: {
    openid: ['sub', 'groups', 'amr'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
  },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  // Its own dispatcher refuses loopback, where the tests are.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
  findAccount: (_context, id) =>
    people[id] ? { accountId: id, claims: () => ({ sub: id, ...people[id] }) } : undefined,
});
http.createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log('ready'));
