import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type { ClusterLoadAssignmentProto, LbEndpointProto } from '../../proto/gen/types.ts';
import { validateMessage } from '../../proto/validate.ts';
import { seededRandom } from '../../test/fakes/cluster-config.ts';
import { adsBootstrapYaml, configInputs } from '../../test/fakes/config.ts';
import type { LoadAssignment } from '../api/config/cluster.ts';
import { adsSource } from '../api/config/config-source.ts';
import { Compilation } from '../compile/compilation.ts';
import { compileHost, compileLoadAssignment } from './endpoint.ts';
import { HeldAssignments, withHosts } from './endpoint-bytes.ts';
import { loadBootstrap } from './load-bootstrap.ts';
import { createResourceCompiler } from './resource-compiler.ts';
import { SimpleEndpoints } from './simple-endpoint.ts';

const TYPE = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

// Endpoints look at nothing else of the process.
const compilation = () => new Compilation({} as ConstructorParameters<typeof Compilation>[0]);

const endpoint = (n: number, more: Partial<LbEndpointProto> = {}): LbEndpointProto => ({
  endpoint: { address: { socket_address: { address: `10.0.0.${n}`, port_value: 80 } } },
  ...more,
});
const encode = (
  localities: readonly (readonly LbEndpointProto[])[],
  more: Partial<ClusterLoadAssignmentProto> = {},
): Uint8Array =>
  encodeMessage(TYPE, {
    cluster_name: 'orders',
    endpoints: localities.map((hosts, i) => ({
      locality: { zone: `z${i}` },
      load_balancing_weight: { value: i + 1 },
      priority: i,
      lb_endpoints: hosts,
    })),
    policy: { overprovisioning_factor: { value: 200 } },
    ...more,
  });

/** As without the version before. */
function generally(bytes: Uint8Array): LoadAssignment {
  const decoded = decodeMessage(TYPE, bytes);
  assert.ok(decoded.ok);
  return compileLoadAssignment(decoded.value.message, '', false, compilation());
}

/** Takes versions of an assignment one after the other, and holds each. */
class Holder {
  readonly #held = new HeldAssignments();
  /** Somebody has to. */
  current: LoadAssignment | null = null;

  take(bytes: Uint8Array): LoadAssignment | null {
    const pieces = this.#held.take(bytes, (name) => `of ${name}`, compilation());
    if (pieces === null) return null;
    const data = withHosts(generally(pieces.rest), pieces.hosts);
    this.current = { ...data, clusterName: `of ${data.clusterName}` };
    this.#held.hold(this.current);
    return data;
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => endpoint(from + i));

test('an assignment is what it is without the version before', () => {
  const holder = new Holder();
  const metadata = { filter_metadata: { 'envoy.lb': { version: 'ü' } } };
  const versions = [
    encode([range(1, 9)]),
    encode([range(3, 9)]),
    encode([range(1, 9).reverse()]),
    encode([[...range(1, 4), endpoint(4, { metadata }), ...range(5, 9)], range(20, 22)]),
    encode([range(20, 22), [], [...range(1, 4), ...range(1, 4)]]),
    encode([], { policy: undefined }),
    encode([[endpoint(1, { health_status: 'DRAINING', load_balancing_weight: { value: 7 } })]]),
  ];
  for (const bytes of versions) {
    const before = new Map(
      holder.current?.localities.flatMap(({ hosts }) => hosts.map((host) => [host.address, host])),
    );
    const data = holder.take(bytes);
    assert.deepEqual(data, generally(bytes));
    for (const host of data!.localities.flatMap(({ hosts }) => hosts)) {
      const former = before.get(host.address);
      const isSame = JSON.stringify(former) === JSON.stringify(host);
      if (former === host) assert.ok(isSame, host.address);
    }
  }
});

test('a host of other bytes is another one, also where it stood before', () => {
  const holder = new Holder();
  const before = holder.take(encode([range(1, 4)]))!.localities[0]!.hosts;
  const changed = [endpoint(1), endpoint(2, { load_balancing_weight: { value: 3 } }), endpoint(3)];
  const data = holder.take(encode([changed]));
  const after = data!.localities[0]!.hosts;
  assert.deepEqual([after[0] === before[0], after[2] === before[2]], [true, true]);
  assert.deepEqual(
    data!.localities[0]!.hosts.map(({ weight }) => weight),
    [1, 3, 1],
  );
});

test('what is wrong is said with its path, as without the version before', () => {
  const bootstrap = loadBootstrap({ ...configInputs(), yaml: adsBootstrapYaml });
  assert.ok(bootstrap.ok);
  const compiler = createResourceCompiler(bootstrap.value, configInputs());
  const compile = (bytes: Uint8Array) => compiler.compile('endpoint', bytes, adsSource);
  const good = compile(encode([range(1, 4), range(4, 7)]));
  assert.ok(good.ok);
  const cases: readonly (readonly [LbEndpointProto, string, string])[] = [
    [{}, 'endpoint', 'is required'],
    [
      { endpoint: { address: { socket_address: { address: 'name', port_value: 1 } } } },
      'endpoint.address.socket_address.address',
      "malformed IP address 'name': use type STRICT_DNS for names",
    ],
    [endpoint(9, { load_balancing_weight: { value: 0 } }), 'load_balancing_weight', ''],
  ];
  for (const [wrong, path, message] of cases) {
    const outcome = compile(encode([range(1, 4), [endpoint(4), wrong]]));
    assert.ok(!outcome.ok);
    assert.equal(outcome.name, 'orders');
    const at = `endpoints[1].lb_endpoints[1].${path}`;
    const texts = outcome.errors.map((error) => `${error.path} ${error.message}`);
    assert.ok(
      texts.some((text) => text.startsWith(at) && text.includes(message)),
      texts.join('; '),
    );
  }
  const heavy = { load_balancing_weight: { value: 0xffff_ffff } };
  const tooHeavy = compile(encode([[endpoint(1, heavy), endpoint(2)]]));
  assert.ok(!tooHeavy.ok);
  assert.equal(tooHeavy.errors[0]?.path, 'endpoints[0].lb_endpoints');
  // The locality's own fields.
  const rest = compile(encode([range(1, 4)], { endpoints: [{ priority: 1000 }] }));
  assert.ok(!rest.ok);
  assert.equal(rest.errors[0]?.path, 'endpoints[0].priority');
});

test('unknown fields of an endpoint are warnings of the whole', () => {
  const bootstrap = loadBootstrap({ ...configInputs(), yaml: adsBootstrapYaml });
  assert.ok(bootstrap.ok);
  const compiler = createResourceCompiler(bootstrap.value, configInputs());
  const plain = Buffer.from(encodeMessage('envoy.config.endpoint.v3.LbEndpoint', endpoint(1)));
  const strange = Buffer.concat([plain, Buffer.from([0xf8, 0x07, 1])]); // field 127
  const bytes = Buffer.concat([
    encodeMessage(TYPE, { cluster_name: 'orders' }),
    Buffer.from([0x12, strange.length + 2, 0x12, strange.length]),
    strange,
  ]);
  const outcome = compiler.compile('endpoint', bytes, adsSource);
  assert.ok(outcome.ok);
  assert.deepEqual(
    outcome.resource.warnings.map(({ path }) => path),
    ['endpoints[0].lb_endpoints[0]'],
  );
});

test('bytes that end too early are refused, wherever they end', () => {
  const holder = new Holder();
  const bytes = encode([range(1, 4), range(4, 6)]);
  holder.take(bytes);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    const data = holder.take(cut);
    if (data !== null) assert.deepEqual(data, generally(cut));
    holder.take(bytes);
  }
});

test('endpoints of every shape are what they are generally', () => {
  const address = (more: object) => ({
    address: { socket_address: { address: '10.0.0.1', port_value: 80, ...more } },
  });
  const lb = { filter_metadata: { 'envoy.lb': { version: 'v1', weight: 3, list: ['a', null] } } };
  const shapes: readonly LbEndpointProto[] = [
    { endpoint: address({}) },
    { endpoint: address({ port_value: 0 }) },
    { endpoint: address({ address: '2001:DB8:0::1', port_value: 65_535 }) },
    { endpoint: address({ protocol: 'TCP' }) },
    { endpoint: { ...address({}), hostname: 'a.example' } },
    { endpoint: { ...address({}), hostname: 'ä.example' } },
    { endpoint: { ...address({}), health_check_config: { port_value: 81 } } },
    { endpoint: address({}), metadata: lb },
    { endpoint: address({}), metadata: {} },
    ...(['HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'] as const).map(
      (health_status) => ({ endpoint: address({}), health_status }),
    ),
    { endpoint: address({}), load_balancing_weight: { value: 0xffff_ffff } },
    { endpoint: address({}), load_balancing_weight: { value: 128 }, metadata: lb },
  ];
  for (const shape of shapes) {
    const bytes = encode([[shape]]);
    assert.deepEqual(new Holder().take(bytes), generally(bytes), JSON.stringify(shape));
  }
  const twice = new Holder().take(encode([[shapes[7]!, shapes[7]!]]))!.localities[0]!.hosts;
  assert.equal(twice[0]!.metadata, twice[1]!.metadata, 'equal metadata are one object');
});

test('an endpoint with bytes that are damaged is what it is generally, or is refused', () => {
  const random = seededRandom(6);
  const metadata = { filter_metadata: { 'envoy.lb': { version: 'v1' } } };
  const good = Buffer.from(
    encodeMessage('envoy.config.endpoint.v3.LbEndpoint', {
      endpoint: { ...endpoint(1).endpoint, hostname: 'h' },
      health_status: 'DRAINING',
      metadata,
      load_balancing_weight: { value: 300 },
    }),
  );
  let same = 0;
  for (let run = 0; run < 3000; run++) {
    const damaged = Buffer.from(good);
    damaged[(random() * damaged.length) | 0] = (random() * 256) | 0;
    const simple = new SimpleEndpoints(damaged).read(0, damaged.length);
    if (simple === null) continue;
    const decoded = decodeMessage('envoy.config.endpoint.v3.LbEndpoint', damaged);
    assert.ok(decoded.ok && decoded.value.warnings.length === 0, damaged.toString('hex'));
    const { message } = decoded.value;
    assert.deepEqual(validateMessage('envoy.config.endpoint.v3.LbEndpoint', message), []);
    const general = compilation();
    assert.deepEqual(simple, compileHost(message, '', false, general), damaged.toString('hex'));
    assert.deepEqual(general.errors, []);
    same++;
  }
  assert.ok(same > 100);
});

test('very many endpoints in another order are found by their bytes', () => {
  const holder = new Holder();
  const hosts = range(1, 200);
  const before = holder.take(encode([hosts]))!.localities[0]!.hosts;
  const after = holder.take(encode([hosts.toReversed()]))!.localities[0]!.hosts;
  const kept = after.filter((host) => before.includes(host)).length;
  // Some are compiled anew before an index of all is worth it.
  assert.ok(kept > 170, `${kept}`);
  assert.deepEqual(after.toReversed(), before);
});
