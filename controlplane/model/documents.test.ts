import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDocuments } from './documents.ts';
import { formatProblem } from './problem.ts';
import { checkMesh } from './semantics.ts';

/** Every problem of a text, as a user sees them. */
function problemsOf(text: string): string[] {
  const { objects, problems } = readDocuments(text, 'shop.yaml');
  return [...problems, ...checkMesh(objects)].map(formatProblem);
}

const service = (name: string, versions = '') => `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: 80}]${versions}}
`;

describe('reading documents', () => {
  it('reads several documents, skips empty ones and fills in the namespace', () => {
    const { objects, problems } = readDocuments(`---\n---${service('a')}---${service('b')}`, 'f');
    assert.deepEqual(problems, []);
    assert.deepEqual(
      objects.map(({ object }) => `${object.metadata.namespace}/${object.metadata.name}`),
      ['default/a', 'default/b'],
    );
  });

  it('reads JSON, and drops status', () => {
    const text = JSON.stringify({
      apiVersion: 'remora.dev/v1',
      kind: 'Service',
      metadata: { name: 'a' },
      spec: { ports: [{ port: 80 }] },
      status: { conditions: [] },
    });
    const { objects } = readDocuments(text, 'f');
    assert.equal('status' in objects[0]!.object, false);
  });

  it('names file, line and column of a YAML error', () => {
    const [problem] = problemsOf('kind: Service\nspec: {ports: [\n');
    assert.match(problem ?? '', /^shop\.yaml:3:1: .*/);
  });

  it('refuses duplicate keys', () => {
    assert.match(
      problemsOf('kind: Service\nkind: Workload\n')[0] ?? '',
      /^shop\.yaml:2:1: .*unique/,
    );
  });

  it('refuses an alias bomb', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++) {
      lines.push(`a${i}: &a${i} [${new Array(9).fill(`*a${i - 1}`).join(', ')}]`);
    }
    assert.match(problemsOf(lines.join('\n'))[0] ?? '', /alias/i);
  });

  it('finds every error of a document at once, each where it stands', () => {
    const text = [
      'apiVersion: remora.dev/v1', // 1
      'kind: TrafficPolicy', // 2
      'metadata:', // 3
      '  name: Orders', // 4
      'spec:', // 5
      '  targetRef: {kind: Servce, name: orders}', // 6
      '  timeouts:', // 7
      '    request: 5 seconds', // 8
      '    conect: 1s', // 9
      '  outlierDetection: {maxEjectionPercent: 101}', // 10
      '  loadBalancing: {policy: MAGLEV}', // 11
    ].join('\n');
    const at = 'TrafficPolicy default/Orders';
    assert.deepEqual(problemsOf(text), [
      `shop.yaml:4:9 ${at} metadata.name: must be a DNS name (labels of a-z, 0-9 and inner -, joined by dots), not "Orders"`,
      `shop.yaml:6:21 ${at} spec.targetRef.kind: must be one of Service, HTTPRoute, GRPCRoute; not "Servce"`,
      `shop.yaml:9:13 ${at} spec.timeouts.conect: unknown field; did you mean connect?`,
      `shop.yaml:8:14 ${at} spec.timeouts.request: must be a duration such as 250ms, 15s or 1h30m, not "5 seconds"`,
      `shop.yaml:10:42 ${at} spec.outlierDetection.maxEjectionPercent: must be <= 100 (got 101)`,
      `shop.yaml:11:27 ${at} spec.loadBalancing.policy: must be one of LEAST_REQUEST, ROUND_ROBIN, RANDOM, CONSISTENT_HASH, CLIENT_SIDE_WEIGHTED_ROUND_ROBIN, PEAK_EWMA; not "MAGLEV"`,
    ]);
  });

  it('names an unknown kind and the kinds there are', () => {
    assert.deepEqual(problemsOf('apiVersion: v1\nkind: Gateway\n'), [
      'shop.yaml:2:7 kind: unknown kind "Gateway": must be one of MeshConfig, Service, Workload, TrafficPolicy, AuthorizationPolicy, HTTPRoute, GRPCRoute',
    ]);
  });

  it('names the apiVersion that a kind needs', () => {
    assert.match(
      problemsOf(
        'apiVersion: gateway.networking.k8s.io/v1beta1\nkind: HTTPRoute\nmetadata: {name: a}\n',
      )[0] ?? '',
      /^shop\.yaml:1:13 HTTPRoute default\/a apiVersion: .* must be gateway\.networking\.k8s\.io\/v1, not /,
    );
  });

  it('says what is missing where its parent starts', () => {
    assert.match(
      problemsOf(
        'apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: a}\nspec:\n  versions: []\n',
      )[0] ?? '',
      /^shop\.yaml:4:1 Service default\/a spec\.ports: missing/,
    );
  });

  it('keeps hostile keys as plain unknown fields', () => {
    const problems = problemsOf(
      'apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}], __proto__: {x: 1}}\n',
    );
    assert.match(problems.join(), /__proto__: unknown field/);
    assert.equal(({} as { x?: unknown }).x, undefined);
  });

  it('says of known but missing features that they are not supported yet', () => {
    const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  hostnames: [a.example]
  parentRefs: [{kind: Service, name: a}]
  rules: [{backendRefs: [{name: a}]}]
`;
    assert.match(problemsOf(route).join(), /shop\.yaml:6:3 .* spec\.hostnames: not supported yet/);
  });
});

describe('checks across documents', () => {
  const route = (rules: string, spec = '') =>
    `${service('orders', ', versions: [{name: v1}]')}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{kind: Service, name: orders${spec}}]
  rules:
    - ${rules}
`;

  it('accepts a route to a version', () => {
    assert.deepEqual(
      problemsOf(
        route('backendRefs: [{group: remora.dev, kind: ServiceVersion, name: orders-v1}]'),
      ),
      [],
    );
  });

  const wrongRules: readonly (readonly [string, string, RegExp])[] = [
    [
      'a missing service',
      'backendRefs: [{name: ordrs}]',
      /^shop\.yaml:13:28 HTTPRoute default\/r spec\.rules\[0\]\.backendRefs\[0\]\.name: Service "ordrs" does not exist in namespace "default" \(it has orders\)$/,
    ],
    [
      'a missing version',
      'backendRefs: [{group: remora.dev, kind: ServiceVersion, name: orders-v9}]',
      /ServiceVersion "orders-v9" does not exist .*orders-v1/,
    ],
    [
      'a ServiceVersion without its group',
      'backendRefs: [{kind: ServiceVersion, name: orders-v1}]',
      /group: must be remora\.dev/,
    ],
    [
      'a port that the service does not have',
      'backendRefs: [{name: orders, port: 81}]',
      /port: Service "orders" has no port 81 \(it has 80\)/,
    ],
    [
      'weights that sum to 0',
      'backendRefs: [{name: orders, weight: 0}]',
      /backendRefs: the weights sum to 0/,
    ],
    ['no backend', 'matches: [{path: {value: /a}}]', /backendRefs: missing/],
    [
      'a path without a slash',
      '{matches: [{path: {value: a}}], backendRefs: [{name: orders}]}',
      /matches\[0\]\.path\.value: must start with \//,
    ],
    [
      'a regular expression that RE2 has not',
      '{matches: [{path: {type: RegularExpression, value: "(?=a)"}}], backendRefs: [{name: orders}]}',
      /path\.value: is not an RE2/,
    ],
    [
      'a filter without its settings',
      '{filters: [{type: URLRewrite}], backendRefs: [{name: orders}]}',
      /filters\[0\]\.urlRewrite: missing \(type is URLRewrite\)/,
    ],
    [
      'a redirect with backends',
      '{filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: orders}]}',
      /backendRefs: a rule that redirects cannot have backends/,
    ],
    [
      'a prefix replaced where none was matched',
      '{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}], backendRefs: [{name: orders}]}',
      /ReplacePrefixMatch needs matches of type PathPrefix/,
    ],
    [
      'a try longer than the request',
      '{timeouts: {request: 1s, backendRequest: 2s}, backendRefs: [{name: orders}]}',
      /timeouts\.backendRequest: must not exceed/,
    ],
    [
      'another namespace',
      'backendRefs: [{name: orders, namespace: other}]',
      /needs ReferenceGrant: not supported yet/,
    ],
    [
      'a header that would split a message',
      '{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: "x\\r\\ny"}]}}], backendRefs: [{name: orders}]}',
      /value: must be an HTTP header value/,
    ],
  ];
  for (const [what, rules, wanted] of wrongRules) {
    it(`refuses a route with ${what}`, () => {
      const problems = problemsOf(route(rules));
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', wanted);
    });
  }

  const grpcService = service('g').replace('port: 80', 'port: 80, protocol: GRPC');
  const grpcRoute = (rules: string) =>
    `${grpcService}---${service('a')}---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: r}
spec: {parentRefs: [{kind: Service, name: g}], rules: [${rules}]}
`;

  it('refuses methods of gRPC that no method can have', () => {
    const messages = (method: string) =>
      problemsOf(grpcRoute(`{matches: [{method: ${method}}], backendRefs: [{name: g}]}`)).map(
        (problem) => problem.slice(problem.indexOf('matches')),
      );
    assert.deepEqual(messages('{service: shop.v1.Stock, method: Get_2}'), []);
    assert.deepEqual(messages('{type: Exact, service: .shop}'), []);
    assert.deepEqual(messages('{}'), ['matches[0].method: must have a service, a method or both']);
    assert.deepEqual(messages('{service: "shop/Stock", method: "2nd"}'), [
      'matches[0].method.service: must be a gRPC service name such as shop.v1.Stock, not "shop/Stock"',
      'matches[0].method.method: must be a gRPC method name such as GetStock, not "2nd"',
    ]);
    assert.match(
      messages('{type: RegularExpression, service: "a["}').join(),
      /^matches\[0\]\.method\.service: is not an RE2 regular expression/,
    );
    assert.deepEqual(messages('{type: RegularExpression, service: "a[b]"}'), []);
  });

  it('refuses a GRPCRoute to or from a service that does not speak gRPC', () => {
    assert.deepEqual(
      problemsOf(
        grpcRoute('{backendRefs: [{name: a}]}').replace(
          '[{kind: Service, name: g}]',
          '[{kind: Service, name: g}, {kind: Service, name: a}]',
        ),
      ),
      [
        'shop.yaml:15:69 GRPCRoute default/r spec.parentRefs[1].name: Service "a" speaks HTTP; a GRPCRoute goes with protocol GRPC',
        'shop.yaml:15:104 GRPCRoute default/r spec.rules[0].backendRefs[0].name: Service "a" speaks HTTP; a GRPCRoute goes with protocol GRPC',
      ],
    );
  });

  it('refuses two rules of one name, and more matches than a GRPCRoute may have', () => {
    const rule = (name: string, matches: number) =>
      `{name: ${name}, matches: [${'{}, '.repeat(matches)}], backendRefs: [{name: g}]}`;
    assert.deepEqual(problemsOf(grpcRoute([rule('x', 64), rule('y', 64)].join())), []);
    const problems = problemsOf(grpcRoute([rule('x', 64), rule('y', 64), rule('x', 1)].join()));
    assert.equal(problems.length, 2);
    assert.match(problems[0] ?? '', /spec\.rules\[2\]\.name: rule "x" is there twice$/);
    assert.match(
      problems[1] ?? '',
      /spec\.rules: has 129 matches in all; at most 128 are allowed$/,
    );
  });

  it('refuses what it does not support yet of GRPCRoute, by name', () => {
    const of = (rule: string) =>
      problemsOf(grpcRoute(`{${rule}, backendRefs: [{name: g}]}`)).join();
    assert.match(
      of('sessionPersistence: {}'),
      /rules\[0\]\.sessionPersistence: not supported yet$/,
    );
    assert.match(
      of('filters: [{type: ExtensionRef}]'),
      /filters\[0\]\.type: "ExtensionRef" is not supported yet: must be one of/,
    );
    const hosts = grpcRoute('{backendRefs: [{name: g}]}').replace(
      'rules:',
      'hostnames: [h], rules:',
    );
    assert.match(problemsOf(hosts).join(), /spec\.hostnames: not supported yet$/);
  });

  it('takes the protocol in either kind of words, and not in both', () => {
    const speaking = (words: string) => problemsOf(service('a').replace('port: 80', words));
    for (const word of ['http', 'http2', 'kubernetes.io/h2c', 'grpc']) {
      assert.deepEqual(speaking(`port: 80, appProtocol: ${word}`), []);
    }
    assert.match(
      speaking('port: 80, protocol: GRPC, appProtocol: grpc').join(),
      /spec\.ports\[0\]\.appProtocol: does not go with protocol: say it once$/,
    );
    assert.match(speaking('port: 80, protocol: TCP').join(), /must be one of HTTP, HTTP2, GRPC/);
  });

  it('refuses HTTP/2 settings of a service that speaks HTTP/1.1, and times of 0', () => {
    const policy = (service: string, http2: string) =>
      `${grpcService}---${service}---\napiVersion: remora.dev/v1\nkind: TrafficPolicy\nmetadata: {name: p}\nspec: {targetRef: {kind: Service, name: a}, http2: ${http2}}\n`;
    const http = service('a');
    assert.match(
      problemsOf(policy(http, '{maxConcurrentStreams: 5}')).join(),
      /spec\.http2: Service "a" speaks HTTP; this goes with protocol HTTP2 or GRPC$/,
    );
    const http2 = http.replace('port: 80', 'port: 80, protocol: HTTP2');
    assert.deepEqual(problemsOf(policy(http2, '{keepalive: {interval: 0s}}')), []);
    assert.match(
      problemsOf(policy(http2, '{keepalive: {timeout: 0s}}')).join(),
      /spec\.http2\.keepalive\.timeout: must be more than 0$/,
    );
    assert.match(
      problemsOf(policy(http2, '{}, outlierDetection: {grpcStatusFromTrailers: true}')).join(),
      /outlierDetection\.grpcStatusFromTrailers: Service "a" speaks HTTP2; this goes with protocol GRPC$/,
    );
    const defaults = `apiVersion: remora.dev/v1\nkind: MeshConfig\nmetadata: {name: m}\nspec: {defaults: {timeouts: {connect: 0s}}}\n`;
    assert.match(problemsOf(defaults).join(), /spec\.defaults\.timeouts\.connect: must be more/);
  });

  it('refuses a health check with no probe, with two, or with one that nobody answers', () => {
    const of = (check: string, protocol = 'GRPC') => {
      const text = service('a').replace('port: 80', `port: 80, protocol: ${protocol}`);
      const policy = `---\napiVersion: remora.dev/v1\nkind: TrafficPolicy\nmetadata: {name: p}\nspec: {targetRef: {kind: Service, name: a}, healthCheck: ${check}}\n`;
      return problemsOf(text + policy)
        .map((problem) => problem.slice(problem.indexOf('spec.')))
        .join();
    };
    const one = 'spec.healthCheck: must have exactly one of http, grpc and tcp';
    assert.equal(of('{interval: 1s}'), one);
    assert.equal(of('{tcp: {}, grpc: {}}'), one);
    assert.equal(of('{grpc: {service: x}}'), '');
    assert.equal(of('{http: {path: /ok}}', 'HTTP'), '');
    assert.equal(
      of('{grpc: {}}', 'HTTP'),
      'spec.healthCheck.grpc: Service "a" speaks HTTP; this goes with protocol HTTP2 or GRPC',
    );
    assert.equal(of('{tcp: {}, timeout: 0s}'), 'spec.healthCheck.timeout: must be more than 0');
    // It becomes a rule of who may call, where * would stand for more.
    assert.match(of('{http: {path: "/ok/*"}}'), /^spec\.healthCheck\.http\.path: must be a path/);
  });

  it('refuses a second definition and says where the first is', () => {
    assert.deepEqual(problemsOf(`${service('a')}---${service('a')}`), [
      'shop.yaml:9:18 Service default/a metadata.name: is defined twice; first at shop.yaml:4:18',
    ]);
  });

  it('refuses versions of two services that would be one ServiceVersion', () => {
    const problems = problemsOf(
      `${service('a-b', ', versions: [{name: c}]')}---${service('a', ', versions: [{name: b-c}]')}`,
    );
    assert.equal(problems.length, 2);
    assert.match(
      problems[0] ?? '',
      /ServiceVersion "a-b-c" would also mean version "b-c" of Service "a"/,
    );
  });

  it('refuses the control plane’s own namespace, where its identity lives', () => {
    const text = service('a').replace('{name: a}', '{name: a, namespace: remora-system}');
    assert.match(problemsOf(text).join(), /remora-system is reserved/);
  });

  it('refuses a second TrafficPolicy of a service and a second MeshConfig', () => {
    const policy = (name: string) =>
      `---\napiVersion: remora.dev/v1\nkind: TrafficPolicy\nmetadata: {name: ${name}}\nspec: {targetRef: {kind: Service, name: a}}\n`;
    const config = (name: string) =>
      `---\napiVersion: remora.dev/v1\nkind: MeshConfig\nmetadata: {name: ${name}}\nspec: {}\n`;
    const problems = problemsOf(
      service('a') + policy('p') + policy('q') + config('m') + config('n'),
    );
    assert.equal(problems.length, 2);
    assert.match(problems[0] ?? '', /Service "a" already has TrafficPolicy default\/p/);
    assert.match(problems[1] ?? '', /a mesh has one MeshConfig; MeshConfig default\/m exists too/);
  });

  it('refuses a workload of a missing service, without a version, or of a missing one', () => {
    const workload = (spec: string) =>
      `---\napiVersion: remora.dev/v1\nkind: Workload\nmetadata: {name: w}\nspec: {${spec}, address: 10.0.0.1, inboundPort: 1, appPort: 2}\n`;
    const versioned = service('a', ', versions: [{name: v1}]');
    assert.match(
      problemsOf(workload('service: b')).join(),
      /Service "b" does not exist .*it has none/,
    );
    assert.match(
      problemsOf(versioned + workload('service: a')).join(),
      /must say which \(it lists v1\)/,
    );
    assert.match(
      problemsOf(versioned + workload('service: a, version: v2')).join(),
      /spec\.version: Service "a" has no version "v2"; it lists v1/,
    );
  });

  it('refuses an address that is none', () => {
    const text = `${service('a')}---\napiVersion: remora.dev/v1\nkind: Workload\nmetadata: {name: w}\nspec: {service: a, address: host, inboundPort: 1, appPort: 2}\n`;
    assert.match(problemsOf(text).join(), /spec\.address: must be an IP address, not "host"/);
  });

  it('refuses an authorization rule that names nobody, or a missing service', () => {
    const policy = (from: string) =>
      `${service('a')}---\napiVersion: remora.dev/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {targetRef: {kind: Service, name: a}, rules: [{from: [${from}]}]}\n`;
    assert.match(
      problemsOf(policy('{}')).join(),
      /from\[0\]: must have exactly one of service and principal/,
    );
    assert.match(
      problemsOf(policy('{service: nobody}')).join(),
      /from\[0\]\.service: Service "nobody" does not exist/,
    );
    assert.deepEqual(problemsOf(policy('{principal: "spiffe://x.test/ns/a/sa/b"}')), []);
  });
});
