// envoy.http.original_ip_detection.custom_header: the client is who a header of the user's choice says. No
// worker half: hcm/original-ip.ts acts on OriginalIpDetectionData.

import { type FieldError, ok, type Result } from '../../../../common/result.ts';
import type { CustomHeaderConfigProto, HttpStatusProto } from '../../../../proto/gen/types.ts';
import { enumType } from '../../../../proto/root.ts';
import type { OriginalIpDetectionData } from '../../../api/config/hcm.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

const DEFAULT_REJECT_STATUS = 403;

export const customHeaderDetection: ExtensionConfigFactory<CustomHeaderConfigProto> = {
  name: 'envoy.http.original_ip_detection.custom_header',
  category: 'original-ip-detection',
  configTypes: ['envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig'],
  compile(config: CustomHeaderConfigProto): Result<unknown, FieldError[]> {
    const data: OriginalIpDetectionData = {
      kind: 'custom_header',
      headerName: (config.header_name ?? '').toLowerCase(),
      isTrusted: config.allow_extension_to_set_address_as_trusted ?? false,
      rejectStatus:
        config.reject_with_status === undefined ? 0 : rejectStatus(config.reject_with_status),
    };
    return ok(data);
  },
};

/** As in Envoy: what is no error cannot refuse. */
function rejectStatus({ code = 'Empty' }: HttpStatusProto): number {
  const status = enumType('envoy.type.v3.StatusCode').numberOf.get(code) ?? 0;
  return status >= 400 && status <= 511 ? status : DEFAULT_REJECT_STATUS;
}
