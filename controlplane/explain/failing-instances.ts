// What callers' sidecars do with an instance that fails, and with more calls than they should make: outlier detection,
// health checks, circuit breakers and balancing of a Service's policy in words.

import type { ServiceNode } from '../graph/graph.ts';
import { localityKey } from '../graph/locality.ts';
import type { HealthCheckSettings, OutlierSettings, StatisticalBounds } from '../model/defaults.ts';
import type { HashOn } from '../model/kinds/traffic-policy.ts';
import { counted, durationText, type Section, type Sentence } from './explanation.ts';
import { type PolicyDocuments, sourceOf } from './sources.ts';
import { breakerText } from './words.ts';

function hashText({ header, cookie, queryParameter }: HashOn): string {
  if (header !== undefined) return `header ${header}`;
  if (cookie !== undefined) {
    return `cookie ${cookie.name}${cookie.ttl === undefined ? '' : ' (given out where it is missing)'}`;
  }
  return queryParameter === undefined ? 'caller’s address' : `query parameter ${queryParameter}`;
}

const nearness = {
  FAILOVER:
    'in the caller’s zone while at least 72 % of the instances there are well; then more and more in its region, then anywhere',
  IGNORE: 'wherever it is',
};

export function explainChoice(
  { policy, endpoints }: ServiceNode,
  documents: PolicyDocuments,
): Section {
  const { policy: name, choiceCount, locality, hashOn, slowStartMs } = policy.loadBalancing;
  const texts = {
    LEAST_REQUEST: `of ${choiceCount} drawn at random, the one with the fewest calls under way (LEAST_REQUEST)`,
    ROUND_ROBIN: 'one after the other, by weight (ROUND_ROBIN)',
    RANDOM: 'any, at random (RANDOM)',
    CLIENT_SIDE_WEIGHTED_ROUND_ROBIN:
      'one after the other, by what their load reports say that they can take; without reports all alike (CLIENT_SIDE_WEIGHTED_ROUND_ROBIN)',
    PEAK_EWMA: `of ${choiceCount} drawn at random, the one with the least cost by its answer times and calls under way (PEAK_EWMA; Envoys: LEAST_REQUEST)`,
    CONSISTENT_HASH: `always the same for the same ${hashOn.map(hashText).join(', else ')}; without any, one at random (MAGLEV)`,
  };
  return {
    title: 'Which instance gets a call',
    sentences: [
      { text: texts[name], source: sourceOf(documents, 'loadBalancing', 'policy', 'choiceCount') },
      ...(slowStartMs === 0
        ? []
        : [
            {
              text: `a new one gets its whole share only after ${durationText(slowStartMs)}`,
              source: sourceOf(documents, 'loadBalancing', 'slowStart'),
            },
          ]),
      ...(endpoints.some((endpoint) => localityKey(endpoint.locality) !== '')
        ? [{ text: nearness[locality], source: sourceOf(documents, 'loadBalancing', 'locality') }]
        : []),
    ],
  };
}

const affected = {
  SERVICE: ['the calls', 'calls are answered with 503 at once, flag ERB,'],
  INSTANCE: ['its calls', 'it gets no calls'],
} as const;

export function explainFailingInstances(
  { policy, healthCheck }: ServiceNode,
  documents: PolicyDocuments,
): Section {
  const sentences: Sentence[] = [];
  const { errorRatio } = policy.circuitBreakers;
  if (errorRatio !== null) {
    const [whose, what] = affected[errorRatio.scope];
    sentences.push({
      text: breakerText(errorRatio, whose, what),
      source: sourceOf(documents, 'circuitBreakers', 'errorRatio'),
    });
  }
  if (policy.outlierDetection === null) {
    sentences.push({
      text: 'is not noticed by its answers: outlier detection is off',
      source: sourceOf(documents, 'outlierDetection', 'enabled'),
    });
  } else sentences.push(...explainEjection(policy.outlierDetection, documents));
  sentences.push(
    healthCheck === null
      ? { text: 'is not probed', source: 'default' }
      : {
          text: probeText(healthCheck),
          source: `TrafficPolicy ${documents.policy?.name ?? ''}`,
        },
    {
      text: 'when fewer than half of the instances are left, all get calls again (panic)',
      source: 'default',
    },
    { text: 'when there is none at all, calls are answered with 503, flag UH', source: 'default' },
  );
  return { title: 'An instance that fails', sentences };
}

function explainEjection(outlier: OutlierSettings, documents: PolicyDocuments): Sentence[] {
  const { consecutive5xx, consecutiveGatewayFailure, baseEjectionTimeMs, intervalMs } = outlier;
  const source = (...fields: Parameters<typeof sourceOf<'outlierDetection'>>[2][]) =>
    sourceOf(documents, 'outlierDetection', ...fields);
  const most = durationText(outlier.maxEjectionTimeMs);
  const sentences: Sentence[] = [
    {
      text: `leaves after ${counted(consecutive5xx, 'answer')} of 5xx in a row, or ${consecutiveGatewayFailure} of 502, 503, 504 or no answer`,
      source: source('consecutive5xx', 'consecutiveGatewayFailure'),
    },
    {
      text: `stays away for ${durationText(baseEjectionTimeMs)}, longer each time, ${most} at most; looked at every ${durationText(intervalMs)}`,
      source: source('baseEjectionTime', 'maxEjectionTime', 'interval'),
    },
    {
      text: `no more than ${outlier.maxEjectionPercent} % of the instances are away at once`,
      source: source('maxEjectionPercent'),
    },
  ];
  const { failurePercentage, successRate, dryRun } = outlier;
  const bounds = ({ minimumRequests, minimumInstances }: StatisticalBounds) =>
    `per interval, once ${counted(minimumInstances, 'instance')} had ${counted(minimumRequests, 'call')} each`;
  if (failurePercentage !== null) {
    sentences.push({
      text: `leaves when ${failurePercentage.threshold} % of its calls fail (${bounds(failurePercentage)})`,
      source: source('failurePercentage'),
    });
  }
  if (successRate !== null) {
    sentences.push({
      text: `leaves when its success rate is ${successRate.deviations} standard deviations below the mean (${bounds(successRate)})`,
      source: source('successRate'),
    });
  }
  if (dryRun) {
    sentences.push({
      text: 'none of this happens: it is only written down what would have (dry run)',
      source: source('dryRun'),
    });
  }
  if (outlier.grpcStatusFromTrailers) {
    sentences.push({
      text: 'gRPC calls count by the grpc-status in their trailers',
      source: source('grpcStatusFromTrailers'),
    });
  }
  return sentences;
}

function probeText({ probe, ...check }: HealthCheckSettings): string {
  const asked =
    probe.kind === 'http'
      ? `GET ${probe.path}`
      : probe.kind === 'grpc'
        ? `grpc.health.v1 ${probe.service === '' ? 'of the server' : `of ${probe.service}`}`
        : 'a TCP connection';
  return `is probed every ${durationText(check.intervalMs)} (${asked}, ${durationText(check.timeoutMs)} each): ${counted(check.unhealthyThreshold, 'failure')} in a row take it out, ${counted(check.healthyThreshold, 'success', 'successes')} bring it back`;
}

export function explainCeilings({ policy }: ServiceNode, documents: PolicyDocuments): Section {
  const { maxConnections, maxPendingRequests, maxRequests, maxConnectionsPerInstance } =
    policy.circuitBreakers;
  const source = (...fields: Parameters<typeof sourceOf<'circuitBreakers'>>[2][]) =>
    sourceOf(documents, 'circuitBreakers', ...fields);
  return {
    title: 'Too many calls at once, per sidecar',
    sentences: [
      {
        text: `more than ${maxRequests} under way: 503 at once, flag UO`,
        source: source('maxRequests'),
      },
      {
        text: `more than ${maxPendingRequests} that wait for a connection: 503 at once, flag UO`,
        source: source('maxPendingRequests'),
      },
      {
        text: `${maxConnections} connections are made at most; further calls wait`,
        source: source('maxConnections'),
      },
      ...(maxConnectionsPerInstance === null
        ? []
        : [
            {
              text: `${maxConnectionsPerInstance} of them to one instance`,
              source: source('maxConnectionsPerInstance'),
            },
          ]),
    ],
  };
}
