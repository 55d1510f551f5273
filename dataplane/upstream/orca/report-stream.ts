// The load reports of one host: a call of OpenRcaService/StreamCoreMetrics that is made anew when it ends. Envoy:
// OrcaOobManager. Owned by load-reports.
//
//   waiting --random part of the period--> open --ended, reset, nonsense--> back-off --> open
//                                            '--UNIMPLEMENTED--> over: the host has no such service

import { JitteredBackoff } from '../../../common/backoff.ts';
import type { Random } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { RequestEncoder } from '../../api/codec.ts';
import {
  getField,
  RequestHeaders,
  type ResponseHeaders,
  type Trailers,
} from '../../api/headers.ts';
import {
  CheckClient,
  type CheckClientOptions,
  type CheckExchange,
} from '../health/check-client.ts';
import type { OrcaReport } from '../lb/measured/orca-report.ts';
import type { LoadReportStats } from './load-report-stats.ts';
import { encodeReportRequest, ReportReader } from './report-messages.ts';

const PATH = '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics';
const UNIMPLEMENTED = '12';
/** Of gRPC over HTTP: who knows no such path has no such service. */
const HTTP_NOT_FOUND = 404;
const BASE_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 60_000;

export interface ReportStreamOptions extends Omit<CheckClientOptions, 'exchange'> {
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  readonly periodMs: number;
  readonly stats: LoadReportStats;
  readonly timers: TimerService;
  readonly random: Random;
  /** False = it says nothing. */
  onReport(report: OrcaReport): boolean;
}

/** See the file head. */
export class ReportStream implements CheckExchange {
  readonly #options: ReportStreamOptions;
  readonly #client: CheckClient;
  readonly #timer: Timer;
  readonly #backoff: JitteredBackoff;
  #reader = new ReportReader();
  #isActive = false;

  constructor(options: ReportStreamOptions) {
    const { timers, random } = options;
    this.#options = options;
    this.#client = new CheckClient({ ...options, exchange: this });
    this.#timer = timers.createTimer(openStream, this);
    this.#backoff = new JitteredBackoff(BASE_BACKOFF_MS, MAX_BACKOFF_MS, random);
  }

  /** Not all hosts at once. */
  start(): void {
    const { random, periodMs, stats } = this.#options;
    this.#isActive = true;
    stats.activeSessions++;
    this.#timer.start(random() * periodMs);
  }

  close(): void {
    this.#end();
    this.#client.close();
  }

  /** Timer. */
  open(): void {
    this.#reader = new ReportReader();
    this.#client.begin();
  }

  // -- CheckExchange ----------------------------------------------------------------------------------

  sendRequest(encoder: RequestEncoder): void {
    const { authority, scheme, periodMs } = this.#options;
    const fields = ['te', 'trailers', 'content-type', 'application/grpc'];
    encoder.encodeHeaders(new RequestHeaders('POST', PATH, authority, scheme, fields), false);
    encoder.encodeData(encodeReportRequest(periodMs), true);
  }

  onLost(): void {
    this.#fail();
  }

  decode1xxHeaders(): void {
    // The answer is still to come.
  }

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (headers.status === HTTP_NOT_FOUND || headers.get('grpc-status') === UNIMPLEMENTED) {
      this.#giveUp();
    } else if (endStream) this.#fail();
    else if (headers.status !== 200) this.#abandon();
  }

  decodeData(data: Buffer, endStream: boolean): void {
    const reports = this.#reader.add(data);
    if (reports === null) {
      if (endStream) this.#fail();
      else this.#abandon();
      return;
    }
    const { stats, onReport } = this.#options;
    for (const report of reports) {
      stats.reportsReceived++;
      this.#backoff.reset();
      if (!onReport(report)) stats.reportErrors++;
    }
    if (endStream) this.#fail();
  }

  decodeTrailers(trailers: Trailers): void {
    if (getField(trailers, 'grpc-status') === UNIMPLEMENTED) this.#giveUp();
    else this.#fail();
  }

  // -------------------------------------------------------------------------------------------------

  #giveUp(): void {
    this.#options.stats.streamTerminated++;
    this.close();
  }

  /** What comes on this stream is of no use. */
  #abandon(): void {
    this.#client.cancel();
    this.#fail();
  }

  #fail(): void {
    this.#client.end();
    this.#options.stats.streamFailures++;
    this.#timer.start(this.#backoff.nextMs());
  }

  #end(): void {
    this.#timer.stop();
    if (this.#isActive) this.#options.stats.activeSessions--;
    this.#isActive = false;
  }
}

function openStream(stream: ReportStream): void {
  stream.open();
}
