import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpFilterData, httpFilterErrors } from '../../../../test/fakes/config.ts';

const TYPE = 'envoy.extensions.filters.http.fault.v3.HTTPFault';

describe('the config half of envoy.filters.http.fault', () => {
  it('compiles delay, abort and conditions', () => {
    assert.deepEqual(
      httpFilterData(
        TYPE,
        'delay: {fixed_delay: 0.25s, percentage: {numerator: 5, denominator: TEN_THOUSAND}}, abort: {grpc_status: 14, percentage: {numerator: 100}}, upstream_cluster: c, downstream_nodes: [n], max_active_faults: 3, headers: [{name: X, present_match: true}]',
      ),
      {
        delay: { fixedDelayMs: 250, percentage: { numerator: 5, denominator: 10_000 } },
        abort: {
          status: { kind: 'grpc', status: 14 },
          percentage: { numerator: 100, denominator: 100 },
        },
        upstreamCluster: 'c',
        headers: [
          {
            name: 'x',
            match: { kind: 'present', present: true },
            invert: false,
            treatMissingAsEmpty: false,
          },
        ],
        downstreamNodes: ['n'],
        maxActiveFaults: 3,
        disableDownstreamClusterStats: false,
      },
    );
  });

  it('lets headers decide', () => {
    assert.deepEqual(httpFilterData(TYPE, 'delay: {header_delay: {}}, abort: {header_abort: {}}'), {
      delay: { fixedDelayMs: null, percentage: { numerator: 0, denominator: 100 } },
      abort: { status: { kind: 'header' }, percentage: { numerator: 0, denominator: 100 } },
      upstreamCluster: '',
      headers: [],
      downstreamNodes: [],
      maxActiveFaults: null,
      disableDownstreamClusterStats: false,
    });
  });

  it('refuses response rate limits by name', () => {
    assert.deepEqual(
      httpFilterErrors(
        TYPE,
        'response_rate_limit: {fixed_limit: {limit_kbps: 1}}, response_rate_limit_percent_runtime: x',
      ).sort(),
      [
        'response_rate_limit: not supported yet',
        'response_rate_limit_percent_runtime: not supported yet',
      ],
    );
  });
});
