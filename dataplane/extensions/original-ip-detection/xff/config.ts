// envoy.http.original_ip_detection.xff: the client is who x-forwarded-for says, counted from the right by
// hops or by trusted ranges. No worker half: hcm/original-ip.ts acts on OriginalIpDetectionData.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { XffConfigProto } from '../../../../proto/gen/types.ts';
import { wrapperOr } from '../../../../proto/well-known.ts';
import type { OriginalIpDetectionData } from '../../../api/config/hcm.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { compileCidr } from '../../../compile/address.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';

export const xffDetection: ExtensionConfigFactory<XffConfigProto> = {
  name: 'envoy.http.original_ip_detection.xff',
  category: 'original-ip-detection',
  configTypes: ['envoy.extensions.http.original_ip_detection.xff.v3.XffConfig'],
  compile(config: XffConfigProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const { xff_num_trusted_hops: hops = 0, xff_trusted_cidrs: trusted } = config;
    if (hops > 0 && trusted !== undefined) {
      compilation.fail('xff_trusted_cidrs', 'cannot be set together with xff_num_trusted_hops');
    }
    const data: OriginalIpDetectionData = {
      kind: 'xff',
      numTrustedHops: hops,
      trustedCidrs: mapItems(trusted?.cidrs, 'xff_trusted_cidrs.cidrs', (range, at) =>
        compileCidr(range, at, compilation),
      ),
      skipXffAppend: wrapperOr(config.skip_xff_append, true),
    };
    return compilation.result(data);
  },
};
