// FilterStateValue -> FilterStateValueData, for set_filter_state of requests and of connections.

import type { FilterStateValueProto } from '../../../../proto/gen/types.ts';
import { FilterStateKey } from '../../../api/stream-info.ts';
import { compileLogFormat } from '../../../compile/access-log.ts';
import { type Compilation, mapItems } from '../../../compile/compilation.ts';
import type { FilterStateValueData } from './data.ts';

/** Envoy's object factories that are here. */
const factories: ReadonlyMap<string, FilterStateValueData['kind']> = new Map([
  ['envoy.string', 'string'],
  ['envoy.hashable_string', 'hashable_string'],
  [FilterStateKey.TcpProxyCluster, 'tcp_proxy_cluster'],
]);

export function compileFilterStateValues(
  values: readonly FilterStateValueProto[] | undefined,
  path: string,
  compilation: Compilation,
): readonly FilterStateValueData[] {
  return mapItems(values, path, (value, at) => {
    const key = value.object_key ?? '';
    const hasFactoryKey = value.factory_key !== undefined && value.factory_key !== '';
    const factory = hasFactoryKey ? value.factory_key : key;
    const kind = factories.get(factory);
    if (kind === undefined) {
      const field = hasFactoryKey ? 'factory_key' : 'object_key';
      compilation.fail(`${at}.${field}`, `'${factory}' does not have an object factory`);
    }
    return {
      key,
      kind: kind ?? 'string',
      format: compileLogFormat(value.format_string, `${at}.format_string`, compilation),
      skipIfEmpty: value.skip_if_empty ?? false,
    };
  });
}
