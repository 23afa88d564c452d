import type { Datapath } from '../../datapath.ts';
import type { Programs } from '../../programs.ts';
import type { FrontDoor } from '../front-door.ts';

/** What the checks need of a cluster. */
interface Checked {
  readonly frontDoor: FrontDoor;
  readonly datapath: Datapath;
  readonly programs: Programs;
}

/** Turns of the event loop's promises that a health check waits for. */
const PROMISE_ROUNDS = 100;

/** Lets the load balancers outside ask their backends how they are. */
export function checkBackends(checked: Checked): void {
  for (const finish of begin(checked)) finish(checked.programs.pending > 0);
}

/** As {@link checkBackends}; programs that answer by a promise are given the time for that. */
export async function awaitBackends(checked: Checked): Promise<void> {
  const { programs } = checked;
  const finishes = begin(checked);
  for (let round = 0; finishes.length > 0 && programs.pending > 0 && round < PROMISE_ROUNDS; round++) {
    await Promise.resolve();
  }
  for (const finish of finishes) finish(programs.pending > 0);
}

function begin({ frontDoor, datapath }: Checked): ((mayBeLate: boolean) => void)[] {
  return frontDoor.gke.all().flatMap(({ netns: name, router, backends, health }) => {
    const netns = router.listeners.length === 0 ? undefined : datapath.outsideMachine(name);
    if (netns === undefined) return [];
    const targets = router.services.flatMap((service) =>
      backends.candidates(service).list.map((endpoint) => ({ service, endpoint })),
    );
    return [health.begin(netns, targets)];
  });
}
