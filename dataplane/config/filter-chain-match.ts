// config.listener.v3.FilterChainMatch as plain data, and the check that no two chains of a listener can
// match the same connection at the same rank.

import { ipBytes, maskBytes } from '../../common/ip-bytes.ts';
import type { CidrRangeProto, FilterChainMatchProto } from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type { FilterChainMatchConfig } from '../api/config/listener.ts';
import { compileCidr } from '../compile/address.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';

/** Each is an entry of the tree that the workers build; a slip in a template makes millions. */
const MAX_COMBINATIONS = 100_000;

export function compileFilterChainMatch(
  match: FilterChainMatchProto | undefined,
  path: string,
  compilation: Compilation,
): FilterChainMatchConfig {
  const cidrs = (ranges: readonly CidrRangeProto[] | undefined, field: string): string[] =>
    mapItems(ranges, `${path}.${field}`, (range, at) => compileCidr(range, at, compilation));
  return {
    destinationPort: wrapperOr(match?.destination_port, 0),
    prefixRanges: cidrs(match?.prefix_ranges, 'prefix_ranges'),
    serverNames: mapItems(match?.server_names, `${path}.server_names`, (name, at) => {
      if (name.includes('*') && !/^\*\.[^*]+$/.test(name)) {
        compilation.fail(at, `partial wildcards are not supported in server_names: '${name}'`);
      }
      return name.toLowerCase();
    }),
    transportProtocol: compileTransportProtocol(match?.transport_protocol ?? '', path, compilation),
    applicationProtocols: match?.application_protocols ?? [],
    directSourcePrefixRanges: cidrs(
      match?.direct_source_prefix_ranges,
      'direct_source_prefix_ranges',
    ),
    sourceType: match?.source_type ?? 'ANY',
    sourcePrefixRanges: cidrs(match?.source_prefix_ranges, 'source_prefix_ranges'),
    sourcePorts: match?.source_ports ?? [],
  };
}

function compileTransportProtocol(
  protocol: string,
  path: string,
  compilation: Compilation,
): FilterChainMatchConfig['transportProtocol'] {
  if (protocol === '' || protocol === 'raw_buffer' || protocol === 'tls') return protocol;
  compilation.fail(`${path}.transport_protocol`, `not supported yet ('${protocol}')`);
  return '';
}

/** True when the chain can only be chosen by looking into a ClientHello. */
export function needsTlsInspector(match: FilterChainMatchConfig): boolean {
  return (
    match.transportProtocol === 'tls' ||
    (match.transportProtocol === '' &&
      (match.serverNames.length > 0 || match.applicationProtocols.length > 0))
  );
}

/** A chain as far as it is compared. */
interface NamedChain {
  readonly name: string;
  readonly match: FilterChainMatchConfig;
}

/** Two chains that share one combination of all criteria are an error, named at the later one. */
export function checkOverlap(
  chains: readonly NamedChain[],
  listPath: string,
  compilation: Compilation,
): void {
  const seen = new Map<string, number>();
  for (const [i, chain] of chains.entries()) {
    const at = `${listPath}[${i}].filter_chain_match`;
    for (const key of combinations(chain.match)) {
      const other = seen.get(key);
      if (other !== undefined && other !== i) {
        compilation.fail(at, overlapText(chain, chains[other]!, other));
        break;
      }
      seen.set(key, i);
      if (seen.size > MAX_COMBINATIONS) {
        compilation.fail(at, `more than ${MAX_COMBINATIONS} combinations in one listener`);
        return;
      }
    }
  }
}

/** Envoy's two texts; chains without a name are told by their place. */
function overlapText(chain: NamedChain, other: NamedChain, otherIndex: number): string {
  const otherName = other.name === '' ? `filter_chains[${otherIndex}]` : other.name;
  return JSON.stringify(chain.match) === JSON.stringify(other.match)
    ? `filter chain '${chain.name}' has the same matching rules defined as '${otherName}'`
    : `multiple filter chains with overlapping matching rules are defined: this and '${otherName}'`;
}

function* combinations(match: FilterChainMatchConfig): Generator<string> {
  const any = (values: readonly (string | number)[]): readonly (string | number)[] =>
    values.length === 0 ? [''] : values;
  const lists = [
    [match.destinationPort],
    any(match.prefixRanges.map(maskedRange)),
    any(match.serverNames),
    [match.transportProtocol],
    any(match.applicationProtocols),
    any(match.directSourcePrefixRanges.map(maskedRange)),
    [match.sourceType],
    any(match.sourcePrefixRanges.map(maskedRange)),
    any(match.sourcePorts),
  ];
  const walk = function* (index: number, prefix: string): Generator<string> {
    const list = lists[index];
    if (list === undefined) yield prefix;
    else for (const value of list) yield* walk(index + 1, `${prefix}|${value}`);
  };
  yield* walk(0, '');
}

/** 10.1.0.0/8 is the same range as 10.0.0.0/8. */
function maskedRange(text: string): string {
  const [address = '', length = ''] = text.split('/');
  const bytes = ipBytes(address);
  // What is no range was refused already.
  return bytes === null ? text : `${maskBytes(bytes, Number(length)).join('.')}/${length}`;
}
