import { View } from './view.ts';

/** A protocol whose header begins with the ports: TCP, UDP, SCTP. */
export abstract class PortsView extends View {
  get sport(): number {
    return this.data.getUint16(0);
  }
  set sport(port: number) {
    this.data.setUint16(0, port);
  }
  get dport(): number {
    return this.data.getUint16(2);
  }
  set dport(port: number) {
    this.data.setUint16(2, port);
  }
}
