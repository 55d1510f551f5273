// bootstrap_extensions: the one that we have, our own, which keeps the last accepted resources on disk.

import type { LastGoodProto, TypedExtensionConfigProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { LastGoodConfig } from '../api/config/bootstrap.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';
import { UNSUPPORTED } from './support-check.ts';

const TYPE = 'remora.extensions.bootstrap.last_good.v1.LastGood';
const KIB = 1024;
const DEFAULT_HOLDOFF_MS = 1000;
const LEAST_HOLDOFF_MS = 10;
const DEFAULT_MAX_BYTES = 64 * KIB * KIB;
const MOST_BYTES = KIB * KIB * KIB;
const DEFAULT_MAX_AGE_MS = 7 * 24 * 3600 * 1000;
const DEFAULT_GRACE_MS = 500;

/** Null = nothing is kept. */
export function compileLastGood(
  extensions: readonly TypedExtensionConfigProto[] | undefined,
  compilation: Compilation,
): LastGoodConfig | null {
  const found: LastGoodConfig[] = [];
  mapItems(extensions, 'bootstrap_extensions', ({ typed_config: any }, path) => {
    const at = `${path}.typed_config`;
    if (any === undefined) compilation.fail(at, 'is required');
    else if (any.message === null) compilation.fail(at, `unknown type '${any.type_url}'`);
    else if (any.type_name !== TYPE) compilation.fail(at, `${UNSUPPORTED} (${any.type_name})`);
    else {
      if (found.length > 0) compilation.fail(path, `there is another ${TYPE}`);
      // Decoded as that very type.
      found.push(compileFields(any.message as LastGoodProto, at, compilation));
    }
  });
  return found[0] ?? null;
}

function compileFields(
  proto: LastGoodProto,
  path: string,
  compilation: Compilation,
): LastGoodConfig {
  const config: LastGoodConfig = {
    stateDirectory: proto.state_directory ?? '',
    holdoffMs: durationMsOr(proto.holdoff, DEFAULT_HOLDOFF_MS),
    maxBytes: Number(wrapperOr(proto.max_bytes, DEFAULT_MAX_BYTES)),
    maxAgeMs: durationMsOr(proto.max_age, DEFAULT_MAX_AGE_MS),
    graceMs: durationMsOr(proto.grace, DEFAULT_GRACE_MS),
  };
  const check = (field: string, holds: boolean, message: string): void => {
    if (!holds) compilation.fail(`${path}.${field}`, message);
  };
  const { stateDirectory, holdoffMs, maxBytes, maxAgeMs, graceMs } = config;
  check('state_directory', stateDirectory !== '', 'is required');
  check('holdoff', holdoffMs >= LEAST_HOLDOFF_MS, 'must be at least 10ms');
  check('max_bytes', maxBytes >= KIB && maxBytes <= MOST_BYTES, 'must be 1 KiB to 1 GiB');
  check('max_age', maxAgeMs > 0, 'must be above 0');
  check('grace', graceMs >= 0, 'must not be negative');
  return config;
}
