// config.listener.v3.FilterChainMatch as plain data, and the check that no two chains of a listener can
// match the same connection at the same rank.

import type { CidrRangeProto, FilterChainMatchProto } from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type { FilterChainMatchConfig } from '../api/config/listener.ts';
import { compileCidr } from '../compile/address.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';

/** Beyond it a listener's chains are not worth the time that checking them takes. */
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

/** Two chains that share one combination of all criteria are an error, named at the later one. */
export function checkOverlap(
  matches: readonly FilterChainMatchConfig[],
  pathOf: (index: number) => string,
  compilation: Compilation,
): void {
  const seen = new Map<string, number>();
  for (const [i, match] of matches.entries()) {
    for (const key of combinations(match)) {
      const other = seen.get(key);
      if (other !== undefined && other !== i) {
        compilation.fail(
          pathOf(i),
          `has the same matching rules as ${pathOf(other).replace(/^.*\.(?=filter_chains)/, '')}`,
        );
        break;
      }
      seen.set(key, i);
      if (seen.size > MAX_COMBINATIONS) return;
    }
  }
}

function* combinations(match: FilterChainMatchConfig): Generator<string> {
  const any = (values: readonly (string | number)[]): readonly (string | number)[] =>
    values.length === 0 ? [''] : values;
  const lists = [
    [match.destinationPort],
    any(match.prefixRanges),
    any(match.serverNames),
    [match.transportProtocol],
    any(match.applicationProtocols),
    any(match.directSourcePrefixRanges),
    [match.sourceType],
    any(match.sourcePrefixRanges),
    any(match.sourcePorts),
  ];
  const walk = function* (index: number, prefix: string): Generator<string> {
    const list = lists[index];
    if (list === undefined) yield prefix;
    else for (const value of list) yield* walk(index + 1, `${prefix}|${value}`);
  };
  yield* walk(0, '');
}
