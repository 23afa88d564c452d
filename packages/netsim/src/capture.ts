import { type Device, frameBytes, type Netns, type Skb, type World } from '@netsim/kernel';
import { type CapturedPacket, type CaptureInterface, writePcapng } from '@netsim/wire';

/** Listens on every device of a world and writes what they send as one pcapng file, an interface for each device. */
export class Capture {
  readonly #world: World;
  readonly #devices = new Map<Device, number>();
  readonly #interfaces: CaptureInterface[] = [];
  readonly #packets: CapturedPacket[] = [];

  constructor(world: World) {
    this.#world = world;
    world.frameListener = (netns, device, direction, skb) => {
      if (direction === 'out') this.#frame(netns, device, skb);
    };
  }

  #frame(netns: Netns, device: Device, skb: Skb): void {
    let id = this.#devices.get(device);
    if (id === undefined) {
      id = this.#interfaces.length;
      this.#interfaces.push({ name: `${netns.name}/${device.name}` });
      this.#devices.set(device, id);
    }
    this.#packets.push({ interface: id, timestamp: this.#world.clock.now * 1000, frame: frameBytes(skb) });
  }

  stop(): void {
    this.#world.frameListener = null;
  }

  finish(): Uint8Array {
    return writePcapng(this.#interfaces, this.#packets);
  }
}
