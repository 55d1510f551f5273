import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdsWorld, NODE_ID } from '../../test/fakes/ads-node.ts';
import { edsCluster, resourceOf, routes } from '../../test/fakes/xds-resources.ts';
import { NodeInspector } from './node-inspector.ts';
import { type TraceLine, traceLimits } from './trace.ts';
import { MAX_TRACES, type RunningTrace, Traces } from './traces.ts';

function tracesOf({ cache, tracker, taps, timers }: AdsWorld): Traces {
  const inspector = new NodeInspector(cache, [tracker]);
  return new Traces({ taps: [taps], inspector, clock: timers.clock });
}

function take(trace: RunningTrace): TraceLine[] {
  const lines: TraceLine[] = [];
  for (let line = trace.take(); line !== null; line = trace.take()) lines.push(JSON.parse(line));
  return lines;
}

describe('a trace', () => {
  it('shows what is asked for, sent and answered, with sizes, versions and names', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'), edsCluster('b'));
    const trace = tracesOf(world).start(NODE_ID, () => {});
    assert.ok(trace !== null);
    const node = world.delta();
    node.request('cluster', { subscribe: ['*'] });
    world.timers.advance(30);
    node.ack(node.take()[0]!);
    const [tracing, opened, request, response, ack] = take(trace);
    assert.equal(tracing?.text, 'not connected; waiting for it');
    assert.equal(opened?.text, 'delta, envoy, from 127.0.0.1:1');
    assert.equal(request?.type, 'CDS');
    assert.deepEqual(request.subscribe, { names: ['*'], more: 0 });
    assert.deepEqual(response?.added, { names: ['a', 'b'], more: 0 });
    assert.equal(response.resources, 2);
    assert.ok((response.bytes ?? 0) > 20);
    const { event, nonce, version, afterMs } = ack ?? {};
    assert.deepEqual(
      [event, nonce, version, afterMs],
      ['ACK', response.nonce, response.version, 30],
    );
  });

  it('keeps little of a name, a type and a reason that a node made up', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'));
    const lines: TraceLine[] = [];
    const trace = tracesOf(world).start(NODE_ID, () => {});
    assert.ok(trace !== null);
    const long = 'x'.repeat(100_000);
    const node = world.delta();
    node.request('cluster', { subscribe: [long] });
    node.request('cluster', { typeUrl: `type.googleapis.com/${long}`, responseNonce: long });
    node.nack(node.take()[0]!, long);
    lines.push(...take(trace));
    assert.deepEqual(
      lines.map((line) => line.event).filter((event) => event === 'NACK'),
      ['NACK'],
    );
    const ours = lines.filter(({ event }) => event !== 'response');
    for (const line of ours) assert.ok(JSON.stringify(line).length < 6000, line.event);
  });

  it('shows a change field by field, also of what the node had before the trace began', () => {
    const world = new AdsWorld();
    const cluster = edsCluster('a');
    world.publish(cluster, edsCluster('gone'));
    const node = world.delta();
    node.request('cluster');
    node.ack(node.take()[0]!);
    const trace = tracesOf(world).start(NODE_ID, () => {});
    assert.ok(trace !== null);
    world.publish(edsCluster('a', 2500), edsCluster('new'));
    node.ack(node.take()[0]!);
    const [, changes, , removal] = take(trace);
    assert.deepEqual(changes?.changed, [
      {
        name: 'a',
        fields: [{ path: 'connect_timeout', before: '"1s"', after: '"2.500s"' }],
        more: 0,
      },
    ]);
    assert.deepEqual(changes.added, { names: ['new'], more: 0 });
    assert.deepEqual(removal?.removed, { names: ['gone'], more: 0 });
  });

  it('shows a refusal with its reason', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'));
    const trace = tracesOf(world).start(NODE_ID, () => {});
    assert.ok(trace !== null);
    const node = world.sotw();
    node.request('cluster');
    node.nack(node.take()[0]!, 'a: connect_timeout: no');
    const nack = take(trace).at(-1);
    assert.deepEqual([nack?.event, nack?.text], ['NACK', 'a: connect_timeout: no']);
  });

  it('never shows a key', () => {
    const world = new AdsWorld();
    const secret = (key: string) =>
      resourceOf('secret', 'default', {
        name: 'default',
        tls_certificate: {
          certificate_chain: { inline_string: 'chain' },
          private_key: { inline_string: `TOP-SECRET-${key}` },
        },
      });
    world.publish(secret('1'));
    const trace = tracesOf(world).start(NODE_ID, () => {});
    assert.ok(trace !== null);
    const node = world.delta();
    node.request('secret', { subscribe: ['default'] });
    node.ack(node.take()[0]!);
    world.publish(secret('2'));
    const lines = take(trace);
    assert.equal(lines.at(-1)?.changed?.[0]?.name, 'default');
    assert.doesNotMatch(JSON.stringify(lines), /SECRET/);
  });

  it('keeps a bounded number of lines for a slow reader and says how many it dropped', () => {
    const world = new AdsWorld();
    world.publish(routes('r', { '/': 'a' }));
    const trace = tracesOf(world).start(NODE_ID, () => {});
    assert.ok(trace !== null);
    const node = world.delta();
    for (let i = 0; i < traceLimits.lines; i++) node.request('route', { subscribe: ['r'] });
    const lines = take(trace);
    assert.equal(lines.length, traceLimits.lines + 1);
    const last = lines.at(-1);
    assert.equal(last?.event, 'dropped');
    assert.ok((last.count ?? 0) > 0);
    node.request('route', { subscribe: ['r'] });
    assert.equal(take(trace)[0]?.event, 'request');
  });

  it('cuts long lists of names and long lists of changes', () => {
    const world = new AdsWorld();
    const clusters = (timeoutMs: number) =>
      Array.from({ length: 60 }, (_, i) => edsCluster(`c${i}`, timeoutMs));
    world.publish(...clusters(1));
    const trace = tracesOf(world).start(NODE_ID, () => {});
    assert.ok(trace !== null);
    const node = world.delta();
    node.request('cluster');
    node.ack(node.take()[0]!);
    world.publish(...clusters(2));
    const lines = take(trace);
    assert.equal(lines[3]?.added?.names.length, traceLimits.names);
    assert.equal(lines[3].added.more, 60 - traceLimits.names);
    assert.equal(lines[5]?.changed?.length, traceLimits.diffs);
    assert.equal(lines[5].changedMore, 60 - traceLimits.diffs);
  });

  it('costs nothing once it is stopped, and there are only so many at a time', () => {
    const world = new AdsWorld();
    const traces = tracesOf(world);
    const running = Array.from({ length: MAX_TRACES }, () => traces.start(NODE_ID, () => {}));
    assert.ok(running.every((trace) => trace !== null));
    assert.equal(
      traces.start(NODE_ID, () => {}),
      null,
    );
    for (const trace of running) {
      trace?.stop();
      trace?.stop();
    }
    assert.equal(traces.count, 0);
    assert.equal(world.taps.of(NODE_ID), null);
  });
});
