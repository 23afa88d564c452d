const SPACE = 32;
const TAB = 9;
const CR = 13;
const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Splits a line into words the way iptables-restore does: blanks separate, double quotes group, a backslash inside quotes
 * takes the next character as it is, and the closing quote ends the word.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  const end = line.length;
  let i = 0;
  while (i < end) {
    const code = line.charCodeAt(i);
    if (code === SPACE || code === TAB || code === CR) {
      i++;
      continue;
    }
    let start = i;
    while (i < end) {
      const c = line.charCodeAt(i);
      if (c === SPACE || c === TAB || c === CR || c === QUOTE) break;
      i++;
    }
    if (i >= end || line.charCodeAt(i) !== QUOTE) {
      words.push(line.slice(start, i));
      continue;
    }
    let word = line.slice(start, i);
    i++;
    start = i;
    while (i < end && line.charCodeAt(i) !== QUOTE) {
      if (line.charCodeAt(i) === BACKSLASH && i + 1 < end) {
        word += line.slice(start, i);
        start = i + 1;
        i++;
      }
      i++;
    }
    words.push(word + line.slice(start, i));
    i++;
  }
  return words;
}
