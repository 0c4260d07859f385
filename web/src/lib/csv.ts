// CSV (RFC 4180) that a spreadsheet can't take for a formula.

const NUMBER = /^-?\d+(\.\d+)?$/;

function cell(value: string): string {
  // = + - @ and what spreadsheets skip before them; a plain negative number is none.
  const safe = /^[\s]*[=+\-@\t\r|]/.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== value ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csv = (rows: readonly (readonly (string | number | null)[])[]): string =>
  rows.map((row) => row.map((value) => cell(value === null ? "" : String(value))).join(",")).join("\r\n") +
  "\r\n";
