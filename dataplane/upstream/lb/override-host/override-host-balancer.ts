// load_balancing_policies.override_host: somebody before us (a filter, an endpoint picker) names the hosts that a request
// should go to, in a header or in dynamic metadata; another policy chooses when none of them is there. Each try takes the
// next of the names. As Envoy 1.40, it does not look at a named host's health.

import type {
  MetadataKeyData,
  OverrideHostData,
  OverrideHostSource,
} from '../../../api/config/load-balancing.ts';
import { getField } from '../../../api/headers.ts';
import type { LoadBalancerContext } from '../../../api/load-balancing.ts';
import type { FilterStateObject, StreamInfo } from '../../../api/stream-info.ts';
import type { UpstreamHost } from '../../host.ts';
import type { Steps } from '../../steps.ts';
import type { HostIndex } from '../host-index.ts';
import type { LoadBalancer } from '../load-balancer.ts';

/** Envoy's key; what of the names was used already has to outlive a try. */
const STATE_KEY = 'envoy.extensions.load_balancing_policies.override_host.filter_state';

class NamedHosts implements FilterStateObject {
  readonly addresses: readonly string[];
  next = 0;
  /** Of this try; null = the fallback chose. */
  chosen: UpstreamHost | null = null;

  constructor(addresses: readonly string[]) {
    this.addresses = addresses;
  }

  plain(): string {
    return this.addresses.join(',');
  }

  fields(): Readonly<Record<string, string>> {
    return {};
  }
}

/** See the file head. */
export class OverrideHostBalancer implements LoadBalancer {
  readonly #data: OverrideHostData;
  readonly #index: HostIndex;
  readonly #fallback: LoadBalancer;

  constructor(data: OverrideHostData, index: HostIndex, fallback: LoadBalancer) {
    this.#data = data;
    this.#index = index;
    this.#fallback = fallback;
  }

  prepare(): Steps {
    return this.#fallback.prepare();
  }

  /** The next request may name a host. */
  peek(): null {
    return null;
  }

  choose(context: LoadBalancerContext, attempt: number): UpstreamHost | null {
    const { streamInfo } = context;
    if (streamInfo === null) return this.#fallback.choose(context, attempt);
    const host =
      this.#named(context, streamInfo, attempt) ?? this.#fallback.choose(context, attempt);
    const { selectedHostKey } = this.#data;
    if (host !== null && selectedHostKey !== null) {
      tellChosen(streamInfo, selectedHostKey, host.addressText);
    }
    return host;
  }

  /** Names that are no host of the cluster are passed over. A named host cannot be refused (retry predicates). */
  #named(
    context: LoadBalancerContext,
    streamInfo: StreamInfo,
    attempt: number,
  ): UpstreamHost | null {
    const named = this.#namedHosts(context, streamInfo);
    if (attempt > 0) return named.chosen;
    named.chosen = this.#nextOf(named);
    return named.chosen;
  }

  #nextOf(named: NamedHosts): UpstreamHost | null {
    while (named.next < named.addresses.length) {
      const address = named.addresses[named.next++]!;
      const host = this.#index.byAddress(address);
      if (host !== null) return host;
    }
    return null;
  }

  #namedHosts(context: LoadBalancerContext, streamInfo: StreamInfo): NamedHosts {
    streamInfo.filterState ??= new Map();
    const known = streamInfo.filterState.get(STATE_KEY);
    if (known instanceof NamedHosts) return known;
    const addresses: string[] = [];
    for (const source of this.#data.sources) {
      for (const address of namesOf(source, context, streamInfo).split(',')) {
        if (address.trim() !== '') addresses.push(address.trim());
      }
    }
    const named = new NamedHosts(addresses);
    streamInfo.filterState.set(STATE_KEY, named);
    return named;
  }
}

/** `ip:port,...` as it was given; '' = it names none. */
function namesOf(
  source: OverrideHostSource,
  context: LoadBalancerContext,
  streamInfo: StreamInfo,
): string {
  if (source.kind === 'header') {
    const headers = context.requestHeaders;
    return headers === null ? '' : (getField(headers.fields, source.name) ?? '');
  }
  let value: unknown = streamInfo.dynamicMetadata?.[source.key.namespace];
  for (const step of source.key.path) value = isStruct(value) ? value[step] : undefined;
  return typeof value === 'string' ? value : '';
}

/** As setDynamicMetadata: of the namespace, the first step of the path is replaced. */
function tellChosen(
  streamInfo: StreamInfo,
  { namespace, path }: MetadataKeyData,
  address: string,
): void {
  let value: unknown = address;
  for (let i = path.length - 1; i > 0; i--) value = { [path[i]!]: value };
  streamInfo.dynamicMetadata ??= {};
  streamInfo.dynamicMetadata[namespace] = {
    ...streamInfo.dynamicMetadata[namespace],
    [path[0]!]: value,
  };
}

function isStruct(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
