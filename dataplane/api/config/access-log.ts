// Compiled parts that every access logger has: its format and its filter. Plain data made by compile/access-log
// from config.accesslog.v3.AccessLog and core.v3.SubstitutionFormatString.

import type { PlainData } from '../factory.ts';
import type { FractionData, HeaderMatcherData } from '../matcher-data.ts';
import type { RuntimeNumber } from '../runtime.ts';

/** What one line looks like. Operators in the texts were checked when the config was compiled. */
export type AccessLogFormatData =
  /** The default is Envoy's default format; a text does not get a newline added. */
  | { readonly kind: 'text'; readonly text: string; readonly omitEmptyValues: boolean }
  /** One JSON object per line. Leaves of `tree` that are strings are formats, other leaves literals. */
  | {
      readonly kind: 'json';
      readonly tree: { readonly [key: string]: PlainData };
      readonly omitEmptyValues: boolean;
      /** json_format_options.sort_properties: keys in byte order. */
      readonly sortProperties: boolean;
    };

/** config.accesslog.v3.ComparisonFilter. */
export interface ComparisonData {
  readonly op: 'EQ' | 'GE' | 'LE' | 'NE';
  readonly value: RuntimeNumber;
}

/** config.accesslog.v3.AccessLogFilter: the line is written when it says true. */
export type AccessLogFilterData =
  /** A response code of 0 (none was sent) compares as 0. */
  | { readonly kind: 'status_code'; readonly comparison: ComparisonData }
  /** Milliseconds of the whole request. */
  | { readonly kind: 'duration'; readonly comparison: ComparisonData }
  | { readonly kind: 'not_health_check' }
  | { readonly kind: 'runtime'; readonly fraction: FractionData; readonly independent: boolean }
  | { readonly kind: 'and'; readonly filters: readonly AccessLogFilterData[] }
  | { readonly kind: 'or'; readonly filters: readonly AccessLogFilterData[] }
  /** On the request's headers. */
  | { readonly kind: 'header'; readonly header: HeaderMatcherData }
  /** Short names; empty = any flag is set. */
  | { readonly kind: 'response_flag'; readonly flags: readonly string[] }
  /** Status names such as `UNAVAILABLE`; `exclude` turns the answer around. */
  | {
      readonly kind: 'grpc_status';
      readonly statuses: readonly string[];
      readonly exclude: boolean;
    };

/** What the data of every access logger extension begins with. */
export interface AccessLogDataBase {
  readonly format: AccessLogFormatData;
  /** Null = every line. Merged in from the AccessLog message around the extension. */
  readonly filter: AccessLogFilterData | null;
}
