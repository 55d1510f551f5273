// Checks access-log format strings (also the values of headers to add) when config is compiled, so that
// no request ever meets a bad one. What a format may contain is access-log/'s to say.

import { checkFormat as problemsOf } from '../access-log/formatter.ts';
import type { Compilation } from './compilation.ts';

export { defaultAccessLogFormat } from '../access-log/formatter.ts';

/** Records what is wrong with a format string, if anything. */
export function checkFormat(format: string, path: string, compilation: Compilation): void {
  for (const problem of problemsOf(format)) compilation.fail(path, problem);
}
