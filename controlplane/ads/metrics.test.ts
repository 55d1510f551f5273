import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsWorld } from '../../test/fakes/ads-node.ts';
import { edsCluster } from '../../test/fakes/xds-resources.ts';
import { metricsText } from './metrics.ts';

const facts = { heldBackSnapshots: 1, changesTotal: 7, roundsTotal: 3 };

test('nodes, pushes, answers and the time to the last ACK are in Prometheus text', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster');
  node.ack(node.take()[0]!);
  node.stream.noteChange(world.timers.clock.nowMs());
  world.publish(edsCluster('a', 2000));
  world.timers.advance(70);
  node.nack(node.take()[0]!, 'no');
  const { stats, tracker } = world;
  const text = metricsText([{ stats, tracker, queueDepth: 2 }], facts);
  for (const line of [
    'remora_cp_connected_nodes 1',
    'remora_cp_push_queue_depth 2',
    'remora_cp_pushes_total{type="cluster"} 2',
    'remora_cp_acks_total{type="cluster"} 1',
    'remora_cp_nacks_total{type="cluster"} 1',
    'remora_cp_push_seconds_bucket{le="0.05"} 0',
    'remora_cp_push_seconds_bucket{le="0.1"} 1',
    'remora_cp_push_seconds_bucket{le="+Inf"} 1',
    'remora_cp_push_seconds_count 1',
    'remora_cp_snapshots_held_back 1',
    'remora_cp_changes_merged_total 4',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} is not in:\n${text}`);
  }
  assert.match(text, /# TYPE remora_cp_push_seconds histogram/);
});

test('several ports are one control plane', () => {
  const [one, other] = [new AdsWorld(), new AdsWorld()];
  for (const world of [one, other]) world.delta().request('cluster');
  const servers = [one, other].map(({ stats, tracker }) => ({ stats, tracker, queueDepth: 0 }));
  assert.match(metricsText(servers, facts), /^remora_cp_streams 2$/m);
});
