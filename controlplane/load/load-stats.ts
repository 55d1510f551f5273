// Counters of the load reporting service, plain fields; controlplane/api exports them.

export class LoadStats {
  /** Open now. */
  streamsActive = 0;
  streamsTotal = 0;
  reportsTotal = 0;
  /** Peers that are not the node that they say they are. */
  refusedTotal = 0;
  /** Streams that we closed because the peer broke the protocol, was silent, or was too fast. */
  badRequestsTotal = 0;
  /** Of those: more reports than were asked for. */
  tooFastTotal = 0;
  /** Streams refused because there are too many. */
  overloadedTotal = 0;
}
