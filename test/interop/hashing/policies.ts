// Hash policies and the requests that they are tried with. Each policy is a route of its own in front of one ring, so
// that equal hashes show as equal hosts.

/** A route, and heads that go to it (after the request line, `<n>` is the path's last part). */
export interface PolicyCase {
  readonly name: string;
  /** Of the route. */
  readonly hashPolicy: readonly object[];
  /** More of its action. */
  readonly action?: object;
  /** `'?query' + header lines`; `{i}` is a number. */
  readonly requests: readonly Request[];
}

interface Request {
  readonly query?: string;
  readonly headers?: readonly string[];
}

const byHeader = { header: { header_name: 'X-Key' } };
const byQuery = { query_parameter: { name: 'q' } };

/** `{i}` in every text becomes 0, 1, 2, ... */
function many(count: number, ...requests: readonly Request[]): readonly Request[] {
  return Array.from({ length: count }, (_, i) => {
    const request = requests[i % requests.length]!;
    const fill = (text: string) => text.replaceAll('{i}', String(i));
    return {
      query: fill(request.query ?? ''),
      headers: (request.headers ?? []).map(fill),
    };
  });
}

export const policyCases: readonly PolicyCase[] = [
  {
    name: 'header-values',
    hashPolicy: [byHeader],
    requests: many(
      40,
      { headers: ['x-key: b{i}', 'x-key: a{i}'] },
      { headers: ['x-key: a{i}', 'x-key: b{i}'] },
      { headers: ['x-key: a{i},b{i}'] },
      { headers: ['x-key: z{i}', 'x-key: {i}', 'x-key: z{i}'] },
      { headers: ['x-key: \xe4\xf6{i}'] },
      { headers: ['x-key: 0123456789012345678901234567890123456789{i}'] },
    ),
  },
  {
    name: 'empty-header',
    hashPolicy: [byHeader],
    requests: many(3, { headers: ['x-key:'] }),
  },
  {
    name: 'header-rewrite',
    hashPolicy: [
      {
        header: {
          header_name: 'x-key',
          regex_rewrite: { pattern: { regex: '^/(\\w+)/.*$' }, substitution: '\\1' },
        },
      },
    ],
    requests: many(
      30,
      { headers: ['x-key: /user{i}/a'] },
      { headers: ['x-key: user{i}'] },
      { headers: ['x-key: /b{i}/a', 'x-key: /a{i}/z'] },
    ),
  },
  {
    name: 'pseudo-headers',
    hashPolicy: [{ header: { header_name: ':path' } }, { header: { header_name: ':method' } }],
    requests: many(20, { query: '?a={i}' }),
  },
  {
    name: 'host-header',
    hashPolicy: [{ header: { header_name: 'host' } }],
    requests: many(2, {}),
  },
  {
    name: 'query',
    hashPolicy: [byQuery],
    requests: many(
      40,
      { query: '?q=v{i}' },
      { query: '?a=1&q=v%20{i}&q=other' },
      { query: '?q={i}=x&b' },
      { query: '?q{i}=x&q={i}' },
    ),
  },
  {
    name: 'query-empty',
    hashPolicy: [byQuery],
    requests: many(4, { query: '?q=' }, { query: '?q&b=1' }),
  },
  {
    name: 'cookie',
    hashPolicy: [{ cookie: { name: 'session' } }],
    requests: many(
      40,
      { headers: ['cookie: session=s{i}'] },
      { headers: ['cookie: a=b; session="s{i}"; c=d'] },
      { headers: ['cookie: a=b', 'cookie: session=t{i};x=y'] },
      { headers: ['cookie: xsession=no;session=s{i} ; session=other'] },
      { headers: ['cookie: session=a={i}'] },
      { headers: ['cookie: a=session=b;  session=c{i}'] },
    ),
  },
  {
    name: 'combined',
    hashPolicy: [byHeader, byQuery, byHeader, { connection_properties: { source_ip: true } }],
    requests: many(
      40,
      { query: '?q={i}', headers: ['x-key: {i}'] },
      { query: '?q={i}' },
      { headers: ['x-key: {i}'] },
      {},
    ),
  },
  {
    name: 'terminal',
    hashPolicy: [
      { ...byHeader, terminal: true },
      { ...byQuery, terminal: true },
      { cookie: { name: 'c' } },
    ],
    requests: many(
      40,
      { query: '?q={i}', headers: ['x-key: {i}'] },
      { query: '?q={i}', headers: ['cookie: c=x'] },
      { headers: ['cookie: c={i}'] },
    ),
  },
  {
    name: 'terminal-behind-a-hash',
    hashPolicy: [byHeader, { ...byQuery, terminal: true }, { cookie: { name: 'c' } }],
    requests: many(
      40,
      { headers: ['x-key: {i}', 'cookie: c={i}'] },
      { query: '?q={i}', headers: ['cookie: c={i}'] },
    ),
  },
  {
    name: 'source-ip',
    hashPolicy: [{ connection_properties: { source_ip: true } }],
    requests: many(
      60,
      { headers: ['x-forwarded-for: 10.1.{i}.7'] },
      { headers: ['x-forwarded-for: 2001:db8::{i}'] },
      { headers: ['x-forwarded-for: 2001:DB8:0:0::{i}'] },
      { headers: ['x-forwarded-for: ::ffff:10.0.0.{i}'] },
      { headers: ['x-forwarded-for: 10.0.0.{i}:80'] },
      {},
    ),
  },
  {
    name: 'weighted',
    hashPolicy: [byHeader],
    action: {
      weighted_clusters: {
        clusters: [
          { name: 'ring', weight: 3 },
          { name: 'other', weight: 2 },
        ],
        use_hash_policy: true,
      },
    },
    requests: many(200, { headers: ['x-key: {i}'] }),
  },
  {
    name: 'cluster-policy',
    hashPolicy: [byHeader],
    action: { cluster: 'with-policy' },
    requests: many(
      60,
      { query: '?q={i}', headers: ['x-key: z'] },
      { query: '?q={i}' },
      { headers: ['x-key: {i}'] },
    ),
  },
];

/** Cookies that the proxies generate: they hash the connection's addresses, so that only their form is compared. */
export const cookieCases: readonly {
  readonly name: string;
  readonly cookie: object;
  readonly sent?: string;
}[] = [
  { name: 'session', cookie: { name: 'c', ttl: '0s' } },
  { name: 'ttl', cookie: { name: 'c', ttl: '3600s' } },
  { name: 'fraction', cookie: { name: 'c', ttl: '1.9s' } },
  { name: 'path', cookie: { name: 'c', ttl: '60s', path: '/api' } },
  {
    name: 'attributes',
    cookie: {
      name: 'c',
      ttl: '60s',
      path: '/',
      attributes: [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }],
    },
  },
  { name: 'no-ttl', cookie: { name: 'c' } },
  { name: 'has-one', cookie: { name: 'c', ttl: '60s' }, sent: 'c=mine' },
  { name: 'empty', cookie: { name: 'c', ttl: '60s' }, sent: 'c=' },
];
