// Who may import whom: the table of docs/architecture.md as rules. Tests beside their files may import
// anything below test/fakes and whatever their room may.

/** A rule that a module matching `from` may import, of our own rooms, only what matches `allowed`. */
function only(name, from, allowed, fromNot = []) {
  return {
    name,
    severity: 'error',
    from: { path: from, pathNot: ['\\.test\\.ts$', ...fromNot] },
    to: {
      path: '^(common|proto|dataplane|controlplane|cli|test|bench|scripts|examples)/',
      pathNot: allowed,
    },
  };
}

const leaves = ['^common/', '^dataplane/api/'];
// In this order: each may import those before it.
const mechanisms = [
  'buffer',
  'matcher',
  'network',
  'tls',
  'http',
  'stats',
  'access-log',
  'tracing',
];
const engines = ['upstream', 'router', 'hcm', 'listener'];
const controlplaneRooms = [
  ['model'],
  ['store', 'discovery'],
  ['graph'],
  ['translate'],
  ['explain'],
  ['cache'],
  ['ads'],
  ['ca'],
  ['join'],
  ['reconcile', 'rollout'],
  ['load'],
  ['status'],
  ['api'],
];

const mechanismRules = mechanisms.map((room, i) =>
  only(`mechanism-${room}`, `^dataplane/${room}/`, [
    ...leaves,
    ...mechanisms.slice(0, i + 1).map((name) => `^dataplane/${name}/`),
  ]),
);
const engineRules = engines.map((room, i) =>
  only(`engine-${room}`, `^dataplane/${room}/`, [
    ...leaves,
    ...mechanisms.map((name) => `^dataplane/${name}/`),
    ...engines.slice(0, i + 1).map((name) => `^dataplane/${name}/`),
  ]),
);
const controlplaneRules = controlplaneRooms.map((group, i) => {
  const names = group.map((name) => `^controlplane/${name}/`);
  const before = controlplaneRooms
    .slice(0, i)
    .flat()
    .map((name) => `^controlplane/${name}/`);
  return only(`controlplane-${group.join('-')}`, `^controlplane/(${group.join('|')})/`, [
    '^common/',
    ...before,
    ...names,
    ...(group.some((name) =>
      ['translate', 'cache', 'ads', 'ca', 'join', 'load', 'status'].includes(name),
    )
      ? ['^proto/']
      : []),
  ]);
});

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: ['^node:'] },
    },
    only('common-is-a-leaf', '^common/', ['^common/']),
    only('proto', '^proto/', ['^common/', '^proto/']),
    only('dataplane-api', '^dataplane/api/', leaves),
    ...mechanismRules,
    ...engineRules,
    only('compile', '^dataplane/compile/', [
      ...leaves,
      '^proto/',
      '^dataplane/compile/',
      '^dataplane/access-log/',
    ]),
    only('config', '^dataplane/config/', [
      ...leaves,
      '^proto/',
      '^dataplane/compile/',
      '^dataplane/config/',
      '^dataplane/runtime/',
      '^dataplane/access-log/',
    ]),
    only('runtime', '^dataplane/runtime/', [
      ...leaves,
      '^proto/',
      '^dataplane/runtime/',
      '^dataplane/matcher/',
    ]),
    only('xds', '^dataplane/xds/', [...leaves, '^proto/', '^dataplane/xds/']),
    // Streams to management servers are kept open the same way.
    only('hds', '^dataplane/hds/', [
      ...leaves,
      '^proto/',
      '^dataplane/upstream/',
      '^dataplane/xds/ads-',
      '^dataplane/hds/',
    ]),
    only('load-stats', '^dataplane/load-stats/', [
      ...leaves,
      '^proto/',
      '^dataplane/xds/ads-',
      '^dataplane/load-stats/',
    ]),
    only('join', '^dataplane/join/', [...leaves, '^proto/', '^dataplane/join/']),
    // A config half of more than one file has the others in config/.
    only('extension-config', '^dataplane/extensions/.*/config(\\.ts$|/)', [
      ...leaves,
      '^proto/',
      '^dataplane/compile/',
      '^dataplane/extensions/_shared/',
      '^dataplane/access-log/',
      '^dataplane/extensions/.*/data\\.ts$',
      '^dataplane/extensions/.*/config/',
    ]),
    only(
      'extension-filter',
      '^dataplane/extensions/',
      [
        ...leaves,
        ...[...mechanisms, ...engines].map((name) => `^dataplane/${name}/`),
        '^dataplane/extensions/',
      ],
      ['/config(\\.ts$|/)'],
    ),
    {
      name: 'extensions-do-not-know-each-other',
      severity: 'error',
      from: { path: '^dataplane/extensions/([^/]+/[^/]+)/' },
      to: {
        path: '^dataplane/extensions/',
        pathNot: ['^dataplane/extensions/$1/', '^dataplane/extensions/_shared/'],
      },
    },
    {
      name: 'nobody-imports-server',
      severity: 'error',
      from: { pathNot: ['^dataplane/(server/|main\\.ts)', '^test/', '^bench/', '^scripts/'] },
      to: { path: '^dataplane/server/' },
    },
    {
      name: 'workers-load-no-descriptors',
      severity: 'error',
      from: { path: '^dataplane/server/worker\\.ts$' },
      to: { path: '(^proto/|node_modules/(protobufjs|@grpc)/)', reachable: true },
    },
    {
      name: 'planes-do-not-meet',
      severity: 'error',
      from: { path: '^(dataplane|controlplane)/' },
      to: { path: '^(dataplane|controlplane)/', pathNot: '^$1/' },
    },
    ...controlplaneRules,
    only('cli', '^cli/', [
      '^common/',
      '^cli/',
      '^dataplane/main\\.ts$',
      '^controlplane/main\\.ts$',
    ]),
    {
      name: 'nobody-imports-test-or-bench',
      severity: 'error',
      from: { pathNot: ['^test/', '^bench/', '\\.test\\.ts$'] },
      to: { path: '^(test|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|proto/gen)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['remora-source', 'import', 'node', 'types', 'default'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
