// envoy.request_id.uuid: how x-request-id carries the trace decision. No worker half: hcm/forwarded.ts acts on
// what HcmConfig keeps of it.

import { type FieldError, ok, type Result } from '../../../../common/result.ts';
import type { UuidRequestIdConfigProto } from '../../../../proto/gen/types.ts';
import { wrapperOr } from '../../../../proto/well-known.ts';
import type { UuidRequestIdData } from '../../../api/config/hcm.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const uuidRequestId: ExtensionConfigFactory<UuidRequestIdConfigProto> = {
  name: 'envoy.request_id.uuid',
  category: 'request-id',
  configTypes: ['envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig'],
  compile(config: UuidRequestIdConfigProto): Result<unknown, FieldError[]> {
    const data: UuidRequestIdData = { packTraceReason: wrapperOr(config.pack_trace_reason, true) };
    return ok(data);
  },
};
