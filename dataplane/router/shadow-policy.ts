// One request_mirror_policy, compiled: which requests are mirrored, where to, and what is changed in the copy.
// Immutable, shared by all requests of a worker. shadow.ts sends the copies.

import { byteString } from '../../common/byte-string.ts';
import { compileFormat } from '../access-log/formatter.ts';
import { Mutations } from '../access-log/ordered-mutations.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { MirrorPolicyData } from '../api/config/route.ts';
import { getField, type RequestHeaders } from '../api/headers.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { RuntimeFraction } from '../matcher/runtime-value.ts';

/** See the file head. */
export class ShadowPolicy {
  readonly #cluster: MirrorPolicyData['cluster'];
  readonly #fraction: RuntimeFraction | null;
  readonly #appendsShadowSuffix: boolean;
  readonly #mutations: Mutations | null;
  readonly #host: string;

  constructor(data: MirrorPolicyData) {
    this.#cluster = data.cluster;
    this.#fraction = data.fraction === null ? null : new RuntimeFraction(data.fraction);
    this.#appendsShadowSuffix = data.appendsShadowSuffix;
    this.#mutations =
      data.mutations.length === 0
        ? null
        : new Mutations(data.mutations, (text) => {
            const formatter = compileFormat(text);
            return (context) => formatter.format(context);
          });
    this.#host = byteString(data.hostRewriteLiteral);
  }

  /** `random`: the stream's own, the same for each policy. */
  takes(random: number): boolean {
    const fraction = this.#fraction;
    return fraction === null || fraction.holds(random);
  }

  /** '' = the header that should say it is not there. */
  clusterOf(headers: RequestHeaders): string {
    const cluster = this.#cluster;
    if (cluster.kind === 'cluster') return cluster.name;
    const { header } = cluster;
    // Of several values the first.
    if (header.startsWith(':')) return headers.get(header) ?? '';
    return getField(headers.fields, header) ?? '';
  }

  /** Changes the copy. */
  apply(headers: RequestHeaders, streamInfo: StreamInfo): void {
    if (this.#mutations !== null) {
      this.#mutations.apply(headers.fields, {
        requestHeaders: headers,
        responseHeaders: null,
        responseTrailers: null,
        streamInfo,
        localReplyBody: '',
      });
    }
    if (this.#host !== '') headers.authority = this.#host;
    else if (this.#appendsShadowSuffix) headers.authority = withShadowSuffix(headers.authority);
  }
}

/** `a.com:80` -> `a.com-shadow:80`; the colons of an IPv6 address are none before a port. */
function withShadowSuffix(authority: string): string {
  const colon = authority.lastIndexOf(':');
  if (colon === -1 || authority.indexOf(']', colon) !== -1) return `${authority}-shadow`;
  return `${authority.slice(0, colon)}-shadow${authority.slice(colon)}`;
}

const none: readonly ShadowPolicy[] = [];

/** Of one level; most have none and share it. */
export function compileShadowPolicies(data: readonly MirrorPolicyData[]): readonly ShadowPolicy[] {
  return data.length === 0 ? none : data.map((policy) => new ShadowPolicy(policy));
}

/** Clusters are plain data that workers get as it is; theirs are compiled when first asked for. */
const ofClusters = new WeakMap<ClusterConfig, readonly ShadowPolicy[]>();

/** Those of the cluster, if it has any, go before all others. */
export function clusterShadowPolicies(config: ClusterConfig): readonly ShadowPolicy[] {
  const { mirrors } = config.http;
  if (mirrors.length === 0) return none;
  let policies = ofClusters.get(config);
  if (policies === undefined) {
    policies = compileShadowPolicies(mirrors);
    ofClusters.set(config, policies);
  }
  return policies;
}
