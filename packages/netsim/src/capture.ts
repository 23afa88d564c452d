import { type Device, frameBytes, type Netns, type Skb, type World } from '@netsim/kernel';
import { PcapngWriter } from '@netsim/wire';

/** Listens on every device of a world and writes what they send as one pcapng file, an interface for each device. */
export class Capture {
  readonly #world: World;
  readonly #writer = new PcapngWriter();
  readonly #interfaces = new Map<Device, number>();

  constructor(world: World) {
    this.#world = world;
    world.frameListener = (netns, device, direction, skb) => {
      if (direction === 'out') this.#frame(netns, device, skb);
    };
  }

  #frame(netns: Netns, device: Device, skb: Skb): void {
    let id = this.#interfaces.get(device);
    if (id === undefined) {
      id = this.#writer.addInterface({ name: `${netns.name}/${device.name}` });
      this.#interfaces.set(device, id);
    }
    this.#writer.addPacket(id, frameBytes(skb), this.#world.clock.now * 1000);
  }

  stop(): void {
    this.#world.frameListener = null;
  }

  finish(): Uint8Array {
    return this.#writer.bytes();
  }
}
