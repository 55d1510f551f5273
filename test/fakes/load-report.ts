// A load report as gRPC frames it.

/** With rps_fractional and application_utilization. */
export function reportFrame(rps: number, utilization: number): Buffer {
  const frame = Buffer.alloc(23);
  frame.writeUInt32BE(18, 1);
  frame[5] = (6 << 3) | 1;
  frame.writeDoubleLE(rps, 6);
  frame[14] = (9 << 3) | 1;
  frame.writeDoubleLE(utilization, 15);
  return frame;
}
