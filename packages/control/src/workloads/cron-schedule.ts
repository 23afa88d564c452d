interface Field {
  readonly from: number;
  readonly to: number;
  readonly names?: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields: readonly Field[] = [
  { from: 0, to: 59 },
  { from: 0, to: 23 },
  { from: 1, to: 31 },
  { from: 1, to: 12, names: months },
  { from: 0, to: 6, names: days },
];

const shorthands: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
/** A schedule that meets no day in nine years meets none: 29 February may be eight years away. */
const farthest = 9 * 366 * day;

/** The times of a CronJob: five fields, or a shorthand, as github.com/robfig/cron reads them. */
export class CronSchedule {
  readonly #minutes: ReadonlySet<number>;
  readonly #hours: ReadonlySet<number>;
  readonly #days: ReadonlySet<number>;
  readonly #months: ReadonlySet<number>;
  readonly #weekdays: ReadonlySet<number>;
  /** Where both days are given, either of them will do. */
  readonly #either: boolean;
  readonly #every: number | undefined;
  readonly #zone: string | undefined;

  private constructor(sets: readonly ReadonlySet<number>[], either: boolean, every: number | undefined, zone?: string) {
    [this.#minutes, this.#hours, this.#days, this.#months, this.#weekdays] = sets as [
      ReadonlySet<number>,
      ReadonlySet<number>,
      ReadonlySet<number>,
      ReadonlySet<number>,
      ReadonlySet<number>,
    ];
    this.#either = either;
    this.#every = every;
    this.#zone = zone;
  }

  /** Reads a schedule in a time zone (UTC where none is given); `undefined` where it cannot be read. */
  static parse(text: string, timeZone?: string): CronSchedule | undefined {
    const zone = timeZone === undefined || isUtc(timeZone) ? undefined : timeZone;
    if (zone !== undefined && !isZone(zone)) return undefined;
    const every = /^@every ((?:[0-9]+[hms])+)$/.exec(text.trim())?.[1];
    const empty = fields.map(() => new Set<number>());
    if (every !== undefined) return new CronSchedule(empty, false, Math.max(1000, milliseconds(every)), zone);
    const parts = (shorthands[text.trim()] ?? text).trim().split(/\s+/);
    if (parts.length !== fields.length) return undefined;
    const sets = parts.map((part, i) => parseField(part, fields[i]!));
    if (sets.some((set) => set === undefined)) return undefined;
    const stars = [parts[2]!, parts[4]!].some((part) => part.startsWith('*') || part.startsWith('?'));
    return new CronSchedule(sets as ReadonlySet<number>[], !stars, undefined, zone);
  }

  /** The first time after a moment (ms since the epoch); none where no day ever fits. */
  next(after: number): number | undefined {
    if (this.#every !== undefined) return after + this.#every;
    const zone = this.#zone;
    const offset = (at: number) => (zone === undefined ? 0 : zoneOffset(zone, at));
    let local = floor(after + offset(after), minute) + minute;
    for (const end = local + farthest; local < end; ) {
      const date = new Date(local);
      if (!this.#fits(date)) local = floor(local, day) + day;
      else if (!this.#hours.has(date.getUTCHours())) local = floor(local, hour) + hour;
      else if (!this.#minutes.has(date.getUTCMinutes())) local += minute;
      else {
        // Of a local time that comes twice, when clocks go back, only one counts.
        const utc = local - offset(local - offset(local));
        if (utc > after) return utc;
        local += minute;
      }
    }
    return undefined;
  }

  #fits(date: Date): boolean {
    if (!this.#months.has(date.getUTCMonth() + 1)) return false;
    const inMonth = this.#days.has(date.getUTCDate());
    const inWeek = this.#weekdays.has(date.getUTCDay());
    return this.#either ? inMonth || inWeek : inMonth && inWeek;
  }
}

function floor(time: number, unit: number): number {
  return Math.floor(time / unit) * unit;
}

function parseField(text: string, field: Field): ReadonlySet<number> | undefined {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\*|\?|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/([0-9]+))?$/i.exec(part);
    if (match === null) return undefined;
    const [, start = '', end, step] = match;
    const any = start === '*' || start === '?';
    if (any && end !== undefined) return undefined;
    const from = any ? field.from : numberOf(start, field);
    const open = any || step !== undefined ? field.to : from;
    const to = end === undefined ? open : numberOf(end, field);
    const by = step === undefined ? 1 : Number(step);
    if (from === undefined || to === undefined || from > to || by === 0) return undefined;
    for (let value = from; value <= to; value += by) found.add(value);
  }
  return found;
}

function numberOf(text: string, { from, to, names }: Field): number | undefined {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  const value = named >= 0 ? named + from : /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  return value >= from && value <= to ? value : undefined;
}

function milliseconds(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000 };
  return [...text.matchAll(/([0-9]+)([hms])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * units[unit!]!,
    0,
  );
}

function isUtc(zone: string): boolean {
  return zone === '' || zone === 'UTC' || zone === 'Etc/UTC';
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far a zone's clocks are ahead of UTC at a moment, in ms. */
function zoneOffset(zone: string, at: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    const digits = '2-digit' as const;
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: digits,
      day: digits,
      hour: digits,
      minute: digits,
      second: digits,
    });
    formats.set(zone, format);
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const get = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const local = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'));
  return local - Math.floor(at / 1000) * 1000;
}
