// The list of fuzz targets.

import { hpackDecoder, hpackEncoder } from './hpack-targets.ts';
import { http1Request, http1Response } from './http1-targets.ts';
import { http2Request, http2Response } from './http2-targets.ts';
import { clientHello, httpInspector, proxyProtocol } from './listener-targets.ts';
import type { FuzzTarget } from './target.ts';
import { transcoderJson, transcoderProto } from './transcoder-targets.ts';

export const targets: readonly FuzzTarget[] = [
  http1Request,
  http1Response,
  http2Request,
  http2Response,
  hpackDecoder,
  hpackEncoder,
  clientHello,
  proxyProtocol,
  httpInspector,
  transcoderJson,
  transcoderProto,
];
