import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';

const NAMESPACE = 'remora.outlier_detection';
const cluster = (options: string, detection = ', outlier_detection: {}'): string =>
  `{name: a, metadata: {filter_metadata: {${NAMESPACE}: ${options}, other: {x: 1}}}${detection}}`;
const fromTrailers = (text: string): boolean | undefined => {
  // The kind says what the compiler makes.
  const { outlierDetection } = compiledData('cluster', text) as ClusterConfig;
  return outlierDetection?.grpcStatusFromTrailers;
};

test('gRPC counts by trailers where the metadata says so, and by heads otherwise', () => {
  assert.equal(fromTrailers(cluster('{grpc_status_from_trailers: true}')), true);
  assert.equal(fromTrailers(cluster('{grpc_status_from_trailers: false}')), false);
  assert.equal(fromTrailers(cluster('{}')), false);
  assert.equal(fromTrailers('{name: a, outlier_detection: {}}'), false);
});

test('slips are refused by name', () => {
  const at = `metadata.filter_metadata["${NAMESPACE}"]`;
  assert.deepEqual(resourceErrors('cluster', cluster('{grpc_status_from_trailers: "yes"}')), [
    `${at}.grpc_status_from_trailers: must be true or false`,
  ]);
  assert.deepEqual(resourceErrors('cluster', cluster('{grpc_trailers: true}')), [
    `${at}.grpc_trailers: not supported yet`,
  ]);
  assert.deepEqual(resourceErrors('cluster', cluster('{grpc_status_from_trailers: true}', '')), [
    `${at}: needs outlier_detection`,
  ]);
  const degraded = ', outlier_detection: {detect_degraded_hosts: true}';
  assert.deepEqual(
    resourceErrors('cluster', cluster('{grpc_status_from_trailers: true}', degraded)),
    [
      'outlier_detection.detect_degraded_hosts: looks at heads of responses, and grpc_status_from_trailers does not',
    ],
  );
});
