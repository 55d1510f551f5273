// The remaining admin pages: state, identity, dumps, certificates and the mutations.

import { X509Certificate } from 'node:crypto';
import { pemBlocks } from '../../../common/der.ts';
import { type LogLevel, logLevels } from '../../../common/logger.ts';
import { subjectAltNames } from '../../tls/subject-alt-names.ts';
import { clientStatusPage } from '../csds/client-status-page.ts';
import { breakerPage } from './breakers.ts';
import { clusterPages } from './clusters.ts';
import { outlierPage } from './outliers.ts';
import { type AdminPage, json, text } from './router.ts';
import { runtimePages } from './runtime.ts';
import type { AdminSources, CertificateText } from './sources.ts';
import { statsPages } from './stats.ts';

const DAY_MS = 86_400_000;

/** Every page of the admin interface. `wallMs` = now, for days until expiry. */
export function adminPages(sources: AdminSources, wallMs: () => number): readonly AdminPage[] {
  return [
    ...statsPages(sources),
    ...clusterPages(sources),
    outlierPage(sources, wallMs),
    breakerPage(sources),
    ...runtimePages(sources),
    {
      path: '/ready',
      method: 'GET',
      help: 'print server state, return 200 if LIVE, otherwise return 503',
      params: [],
      handle: () => {
        const state = sources.state();
        if (state === 'LIVE' && sources.isStuck()) return text('STUCK\n', 503);
        return text(`${state}\n`, state === 'LIVE' ? 200 : 503);
      },
    },
    {
      path: '/server_info',
      method: 'GET',
      help: 'print server version/status information',
      params: [],
      handle: () => json(sources.serverInfo()),
    },
    {
      path: '/config_dump',
      method: 'GET',
      help: 'dump current configs (secrets redacted)',
      params: [{ name: 'include_eds', help: 'Dump currently loaded configuration including EDS' }],
      handle: (query) => {
        const unknown = [...query.keys()].filter((key) => key !== 'include_eds');
        if (unknown.length > 0) {
          return text(`not supported yet: /config_dump?${unknown.join('&')}\n`, 400);
        }
        return json({ configs: sources.configDump(query.has('include_eds')) });
      },
    },
    {
      path: '/certs',
      method: 'GET',
      help: 'print certs on machine',
      params: [],
      handle: () =>
        json({
          certificates: sources.certificates().map(({ caCertificates, certificateChains }) => ({
            ca_cert: caCertificates.flatMap((text) => certificateJson(text, wallMs())),
            cert_chain: certificateChains.flatMap((text) => certificateJson(text, wallMs())),
          })),
        }),
    },
    {
      path: '/memory',
      method: 'GET',
      help: 'print current allocation/heap usage',
      params: [],
      handle: () => {
        const { heapUsed, heapTotal, rss } = process.memoryUsage();
        return json({
          allocated: String(heapUsed),
          heap_size: String(heapTotal),
          total_physical_bytes: String(rss),
        });
      },
    },
    clientStatusPage(sources),
    ...mutations(sources),
  ];
}

function mutations(sources: AdminSources): readonly AdminPage[] {
  return [
    {
      path: '/logging',
      method: 'POST',
      help: 'query/change logging levels',
      params: [{ name: 'level', help: `desired logging level; One of (${logLevels.join(', ')})` }],
      handle: (query) => {
        const unknown = [...query.keys()].find((key) => key !== 'level');
        if (unknown !== undefined) {
          return text(
            `not supported yet: /logging?${unknown}; there is one logger, use level=\n`,
            400,
          );
        }
        const wanted = query.get('level');
        if (wanted !== null) {
          const level = logLevels.find((name) => name === wanted);
          if (level === undefined) {
            return text(`error: unknown logger level; one of ${logLevels.join(', ')}\n`, 400);
          }
          sources.setLogLevel(level satisfies LogLevel);
        }
        return text(`active loggers:\n  remora: ${sources.logLevel()}\n`);
      },
    },
    {
      path: '/drain_listeners',
      method: 'POST',
      help: 'drain listeners',
      params: [
        { name: 'graceful', help: 'enter a graceful drain period prior to closing listeners' },
        { name: 'skip_exit', help: 'drain connections but never stop the listeners' },
        { name: 'inboundonly', help: 'drain only listeners with traffic_direction INBOUND' },
      ],
      handle: (query) => {
        if (query.has('skip_exit') && !query.has('graceful')) {
          return text('skip_exit requires graceful\n', 400);
        }
        sources.drainListeners({
          graceful: query.has('graceful'),
          skipExit: query.has('skip_exit'),
          inboundOnly: query.has('inboundonly'),
        });
        return text('OK\n');
      },
    },
    post('/healthcheck/fail', 'cause the server to fail health checks', () =>
      sources.failHealthchecks(true),
    ),
    post('/healthcheck/ok', 'cause the server to pass health checks', () =>
      sources.failHealthchecks(false),
    ),
    post('/reopen_logs', 'reopen access logs', () => sources.reopenLogs()),
    post('/quitquitquit', 'exit the server', () => sources.quit()),
  ];
}

function post(path: string, help: string, act: () => void): AdminPage {
  return {
    path,
    method: 'POST',
    help,
    params: [],
    handle: () => {
      act();
      return text('OK\n');
    },
  };
}

/** `2026-11-21T12:34:35Z`, as protobuf prints a Timestamp without fraction. */
function isoSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** admin.v3.CertificateDetails of the first certificate of a PEM text: the leaf, or the CA. */
function certificateJson({ path, pem }: CertificateText, wallMs: number): unknown[] {
  const [der] = pemBlocks(pem, 'CERTIFICATE');
  if (der === undefined) return [];
  const certificate = new X509Certificate(der);
  const names = subjectAltNames(certificate);
  const { validFromDate, validToDate } = certificate;
  const daysLeft = Math.max(0, Math.floor((validToDate.getTime() - wallMs) / DAY_MS));
  return [
    {
      path,
      serial_number: certificate.serialNumber.toLowerCase(),
      subject_alt_names: [
        ...names.dns.map((dns) => ({ dns })),
        ...names.uri.map((uri) => ({ uri })),
        ...names.ip.map((ip_address) => ({ ip_address })),
      ],
      days_until_expiration: String(daysLeft),
      valid_from: isoSeconds(validFromDate),
      expiration_time: isoSeconds(validToDate),
    },
  ];
}
