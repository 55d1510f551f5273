// config.accesslog.v3.AccessLog: the logger extension with its filter, and the format that all loggers
// have in common (core.v3.SubstitutionFormatString).

import type {
  AccessLogFilterProto,
  AccessLogProto,
  ComparisonFilterProto,
  SubstitutionFormatStringProto,
} from '../../proto/gen/types.ts';
import { fractionOf } from '../../proto/well-known.ts';
import type {
  AccessLogFilterData,
  AccessLogFormatData,
  ComparisonData,
} from '../api/config/access-log.ts';
import type { ExtensionData, PlainData } from '../api/factory.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';
import { readText } from './data-source.ts';
import { checkFormat, defaultAccessLogFormat } from './format.ts';
import { compileHeaderMatcher, runtimeNumber } from './matchers.ts';

/** `access_log` of a connection manager, listener, tcp_proxy or admin. */
export function compileAccessLogs(
  logs: readonly AccessLogProto[] | undefined,
  path: string,
  compilation: Compilation,
): ExtensionData[] {
  const compiled: ExtensionData[] = [];
  mapItems(logs, path, (log, at) => {
    const extension = compilation.extension('access-logger', namedAny(log), at);
    const filter =
      log.filter === undefined
        ? null
        : compileAccessLogFilter(log.filter, `${at}.filter`, compilation);
    // Every logger's data begins with AccessLogDataBase, whose filter lies outside of the extension.
    if (extension !== null) {
      compiled.push({ ...extension, data: { ...(extension.data as object), filter } });
    }
  });
  return compiled;
}

const emptyAnd: AccessLogFilterData = { kind: 'and', filters: [] };

/** `path` is where the filter stands. */
export function compileAccessLogFilter(
  filter: AccessLogFilterProto,
  path: string,
  compilation: Compilation,
): AccessLogFilterData {
  const nested = (filters: readonly AccessLogFilterProto[] | undefined, field: string) =>
    mapItems(filters, `${path}.${field}.filters`, (item, at) =>
      compileAccessLogFilter(item, at, compilation),
    );
  const comparison = (proto: ComparisonFilterProto | undefined) =>
    compileComparison(proto ?? {}, compilation);
  if (filter.status_code_filter !== undefined) {
    return { kind: 'status_code', comparison: comparison(filter.status_code_filter.comparison) };
  }
  if (filter.duration_filter !== undefined) {
    return { kind: 'duration', comparison: comparison(filter.duration_filter.comparison) };
  }
  if (filter.not_health_check_filter !== undefined) return { kind: 'not_health_check' };
  if (filter.and_filter !== undefined) {
    return { kind: 'and', filters: nested(filter.and_filter.filters, 'and_filter') };
  }
  if (filter.or_filter !== undefined) {
    return { kind: 'or', filters: nested(filter.or_filter.filters, 'or_filter') };
  }
  if (filter.header_filter !== undefined) {
    const at = `${path}.header_filter.header`;
    const header = compileHeaderMatcher(filter.header_filter.header ?? {}, at, compilation);
    return { kind: 'header', header };
  }
  if (filter.response_flag_filter !== undefined) {
    return { kind: 'response_flag', flags: filter.response_flag_filter.flags ?? [] };
  }
  if (filter.grpc_status_filter !== undefined) {
    const { statuses, exclude } = filter.grpc_status_filter;
    return {
      kind: 'grpc_status',
      // OK is the enum's 0.
      statuses: statuses ?? [],
      exclude: exclude ?? false,
    };
  }
  if (filter.runtime_filter !== undefined) {
    const { runtime_key: key, percent_sampled: percent } = filter.runtime_filter;
    const otherwise = fractionOf(percent ?? {});
    const fraction = compilation.context.runtime.fraction(key ?? '', otherwise);
    const independent = filter.runtime_filter.use_independent_randomness ?? false;
    return { kind: 'runtime', fraction, independent };
  }
  return emptyAnd; // none set: validation said so
}

function compileComparison(proto: ComparisonFilterProto, compilation: Compilation): ComparisonData {
  return { op: proto.op ?? 'EQ', value: runtimeNumber('integer', proto.value ?? {}, compilation) };
}

/** `log_format` of a logger; absent = Envoy's default format. */
export function compileLogFormat(
  format: SubstitutionFormatStringProto | undefined,
  path: string,
  compilation: Compilation,
): AccessLogFormatData {
  const omitEmptyValues = format?.omit_empty_values ?? false;
  if (format?.json_format !== undefined) {
    const at = `${path}.json_format`;
    return {
      kind: 'json',
      tree: checkJsonFormat(format.json_format, at, compilation),
      omitEmptyValues,
      sortProperties: format.json_format_options?.sort_properties ?? false,
    };
  }
  const source = format?.text_format_source;
  const text =
    format?.text_format ??
    (source === undefined
      ? defaultAccessLogFormat
      : readText(source, `${path}.text_format_source`, compilation));
  const at = `${path}.${source === undefined ? 'text_format' : 'text_format_source'}`;
  checkFormat(text, at, compilation);
  return { kind: 'text', text, omitEmptyValues };
}

/** Checks every string leaf as a format; the tree stays as it is. */
export function checkJsonFormat(
  tree: { readonly [key: string]: PlainData },
  path: string,
  compilation: Compilation,
): { readonly [key: string]: PlainData } {
  for (const [key, value] of Object.entries(tree))
    checkJsonLeaf(value, `${path}.${key}`, compilation);
  return tree;
}

function checkJsonLeaf(value: PlainData | undefined, path: string, compilation: Compilation): void {
  if (typeof value === 'string') checkFormat(value, path, compilation);
  else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) checkJsonLeaf(item, `${path}[${i}]`, compilation);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value))
      checkJsonLeaf(item, `${path}.${key}`, compilation);
  }
}
