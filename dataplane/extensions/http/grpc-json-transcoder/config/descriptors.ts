// The types of the descriptor set that was read last. Most of a config's listeners and routes name the same set:
// they share one table, which then goes to each worker once. Used by config.ts.

import { err, ok, type Result } from '../../../../../common/result.ts';
import { type FileProto, readDescriptorSet } from '../../../../../proto/descriptor-set.ts';
import { TypeTable } from './compile-types.ts';
import { statusFile } from './status-file.ts';

export interface Descriptors {
  readonly files: readonly FileProto[];
  /** With google.rpc.Status, where the set has it or `convertsStatus` asked for it. */
  readonly types: TypeTable;
}

interface LastRead {
  readonly bytes: Buffer;
  readonly convertsStatus: boolean;
  readonly descriptors: Descriptors;
}

export class DescriptorReader {
  #last: LastRead | null = null;

  read(bytes: Buffer, convertsStatus: boolean): Result<Descriptors, string> {
    const last = this.#last;
    if (last !== null && last.convertsStatus === convertsStatus && last.bytes.equals(bytes)) {
      return ok(last.descriptors);
    }
    const set = readDescriptorSet(bytes);
    if (!set.ok) return err(set.errors);
    const files = set.value;
    const types = new TypeTable(convertsStatus ? [...files, statusFile] : files);
    const descriptors = { files, types };
    this.#last = { bytes, convertsStatus, descriptors };
    return ok(descriptors);
  }
}
