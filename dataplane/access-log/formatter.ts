// Format strings compiled once, run per log line or per header that a route adds. A line is a byte string:
// one character per byte, to be written as latin1 (see byte-string.ts).

import { byteString } from '../../common/byte-string.ts';
import type { AccessLogFormatData } from '../api/config/access-log.ts';
import { parseFormat } from './format-parser.ts';
import { createJsonFormatter } from './json-formatter.ts';
import type { Operator } from './operator.ts';
import { compileOperator, type Environment } from './operators.ts';
import { type Formatter, TextFormatter } from './text-formatter.ts';

/** Envoy's default access-log line, with its newline. */
export const defaultAccessLogFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

export interface FormatOptions {
  /** Missing values become '' instead of `-`. Headers to add are compiled so. */
  readonly omitEmptyValues: boolean;
  readonly environment: Environment;
}

// A format is compiled at start or on a config update; %ENVIRONMENT% is then read once.
const processEnvironment: Environment = (name) => process.env[name];

/** Logs: `-` for what is missing. */
export const logFormatOptions: FormatOptions = {
  omitEmptyValues: false,
  environment: processEnvironment,
};

/** Header values: nothing for what is missing. */
const headerFormatOptions: FormatOptions = {
  omitEmptyValues: true,
  environment: processEnvironment,
};

/** What is wrong with a format string; [] when it is good. The texts are fit to follow a field path. */
export function checkFormat(text: string): readonly string[] {
  const parsed = parseFormat(text);
  if (!parsed.ok) return [parsed.message];
  const messages: string[] = [];
  for (const token of parsed.tokens) {
    if (token.kind === 'literal') continue;
    const outcome = compileOperator(token, () => undefined);
    if (!outcome.ok) messages.push(outcome.message);
  }
  return messages;
}

/**
 * Compiles a text that checkFormat found good; throws what is wrong otherwise. Without options it is a header
 * value, where a missing value is ''.
 */
export function compileFormat(
  text: string,
  options: FormatOptions = headerFormatOptions,
): TextFormatter {
  const parsed = parseFormat(text);
  if (!parsed.ok) throw new Error(parsed.message);
  const literals: string[] = [''];
  const operators: Operator[] = [];
  for (const token of parsed.tokens) {
    if (token.kind === 'literal') {
      literals[literals.length - 1] = byteString(token.text);
      continue;
    }
    const outcome = compileOperator(token, options.environment);
    if (!outcome.ok) throw new Error(outcome.message);
    operators.push(outcome.operator);
    literals.push('');
  }
  return new TextFormatter(literals, operators, options.omitEmptyValues ? '' : '-');
}

/** The formatter of an access logger's config. */
export function createFormatter(data: AccessLogFormatData): Formatter {
  const options = { ...logFormatOptions, omitEmptyValues: data.omitEmptyValues };
  return data.kind === 'text'
    ? compileFormat(data.text, options)
    : createJsonFormatter(data.tree, data.omitEmptyValues, (text) => compileFormat(text, options));
}
