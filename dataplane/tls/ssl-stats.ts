// Counters below `listener.<addr>.ssl.` and `cluster.<name>.ssl.`, names as Envoy's.

import type { StatField } from '../api/stats.ts';
import type { VerificationFailure } from './peer-verification.ts';

export class SslStats {
  static readonly stats: readonly StatField[] = [
    { field: 'handshake', name: 'ssl.handshake', kind: 'counter' },
    { field: 'connectionError', name: 'ssl.connection_error', kind: 'counter' },
    { field: 'noCertificate', name: 'ssl.no_certificate', kind: 'counter' },
    { field: 'failVerifyNoCert', name: 'ssl.fail_verify_no_cert', kind: 'counter' },
    { field: 'failVerifyError', name: 'ssl.fail_verify_error', kind: 'counter' },
    { field: 'failVerifySan', name: 'ssl.fail_verify_san', kind: 'counter' },
    { field: 'failVerifyCertHash', name: 'ssl.fail_verify_cert_hash', kind: 'counter' },
    { field: 'contextUpdateFailed', name: 'ssl.context_update_failed', kind: 'counter' },
  ];

  handshake = 0;
  connectionError = 0;
  noCertificate = 0;
  failVerifyNoCert = 0;
  failVerifyError = 0;
  failVerifySan = 0;
  failVerifyCertHash = 0;
  contextUpdateFailed = 0;

  countFailure(failure: VerificationFailure): void {
    switch (failure) {
      case 'fail_verify_no_cert':
        this.failVerifyNoCert++;
        return;
      case 'fail_verify_error':
        this.failVerifyError++;
        return;
      case 'fail_verify_san':
        this.failVerifySan++;
        return;
      case 'fail_verify_cert_hash':
        this.failVerifyCertHash++;
        return;
      default:
        failure satisfies never;
    }
  }
}
