// THE list of extensions, worker halves. The main halves are in extensions.ts; the test beside that file
// holds the two against each other. Imports no descriptors, directly or not (layer rule).

import { compileFormat } from '../access-log/formatter.ts';
import { fileAccessLoggerFactory } from '../extensions/access-log/file/filter.ts';
import { stderrAccessLoggerFactory } from '../extensions/access-log/stderr/filter.ts';
import { stdoutAccessLoggerFactory } from '../extensions/access-log/stdout/filter.ts';
