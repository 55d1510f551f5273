import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';

const endpoint = (address: string): string =>
  `endpoint: {address: {socket_address: {address: "${address}", port_value: 80}}, hostname: h}`;

describe('compileLoadAssignment', () => {
  it('keeps localities, priorities, weights, health and metadata', () => {
    const compiled = compiledData(
      'endpoint',
      `{cluster_name: c, policy: {overprovisioning_factor: 200}, endpoints: [
        {locality: {region: r, zone: z, sub_zone: s}, priority: 1, load_balancing_weight: 3, lb_endpoints: [
          {${endpoint('10.0.0.1')}, health_status: DRAINING, load_balancing_weight: 2, metadata: {filter_metadata: {envoy.lb: {v: 1}}}},
          {${endpoint('::1')}}]}]}`,
    );
    // Maps of the plain form have no prototype.
    const data: unknown = JSON.parse(JSON.stringify(compiled));
    assert.deepEqual(data, {
      clusterName: 'c',
      overprovisioningFactor: 200,
      weightedPriorityHealth: false,
      dropOverload: null,
      localities: [
        {
          region: 'r',
          zone: 'z',
          subZone: 's',
          priority: 1,
          weight: 3,
          hosts: [
            {
              address: '10.0.0.1',
              port: 80,
              hostname: 'h',
              weight: 2,
              health: 'unhealthy',
              healthStatus: 'DRAINING',
              metadata: { 'envoy.lb': { v: 1 } },
              healthCheck: null,
            },
            {
              address: '::1',
              port: 80,
              hostname: 'h',
              weight: 1,
              health: 'healthy',
              healthStatus: 'UNKNOWN',
              metadata: null,
              healthCheck: null,
            },
          ],
        },
      ],
    });
  });

  it('names each endpoint that is wrong', () => {
    assert.deepEqual(
      resourceErrors(
        'endpoint',
        `{cluster_name: c, endpoints: [{priority: 129, lb_endpoints: [{${endpoint('host')}}, {endpoint: {}}, {${endpoint('10.0.0.1')}, load_balancing_weight: 0}]}]}`,
      ).sort(),
      [
        'endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: ' +
          "malformed IP address 'host': use type STRICT_DNS for names",
        'endpoints[0].lb_endpoints[1].endpoint.address: is required',
        'endpoints[0].lb_endpoints[2].load_balancing_weight: must be >= 1',
        'endpoints[0].priority: must be <= 128, got 129',
      ],
    );
  });

  it('refuses endpoints without a cluster', () => {
    assert.deepEqual(resourceErrors('endpoint', '{}'), ['cluster_name: must not be empty']);
  });
});
