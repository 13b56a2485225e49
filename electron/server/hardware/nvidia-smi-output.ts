import type { Gpu } from "../../contract/machine.schema.ts";

/**
 * Fields asked of nvidia-smi, in the order of its answer. All are old; `compute_cap` came with driver 470. An unknown one makes it refuse
 * the whole question, so there is a shorter list too.
 */
export const QUERY_FIELDS = ["index", "uuid", "pci.bus_id", "name", "driver_version", "memory.total", "memory.free", "utilization.gpu", "temperature.gpu", "power.draw", "compute_cap"] as const;
export const OLD_QUERY_FIELDS = QUERY_FIELDS.filter((field) => field !== "compute_cap");
export type QueryField = (typeof QUERY_FIELDS)[number];

const MEBIBYTE = 1024 ** 2;

/**
 * Reads `--format=csv,noheader,nounits`. Lines that are no card are passed over: drivers print warnings among them. A value that
 * a card does not report, in whatever words, is null. The cards are in the order of the PCI bus, as torch counts them.
 */
export function parseGpus(text: string, fields: readonly QueryField[]): Gpu[] {
  const gpus = text.split(/\r?\n/).flatMap((line): Gpu[] => {
    const values = line.split(/,\s*/).map((value) => value.trim());
    // A name may hold a comma; no other field does.
    const extra = values.length - fields.length;
    if (extra < 0) return [];
    const nameAt = fields.indexOf("name");
    values.splice(nameAt, extra + 1, values.slice(nameAt, nameAt + extra + 1).join(", "));
    const text = (field: QueryField): string | null => textOf(values[fields.indexOf(field)]);
    const number = (field: QueryField): number | null => numberOf(values[fields.indexOf(field)]);
    const [index, uuid, name] = [number("index"), text("uuid"), text("name")];
    if (index === null || !Number.isInteger(index) || index < 0 || uuid === null || !/^(GPU|MIG)-/.test(uuid) || name === null) return [];
    return [
      {
        index,
        uuid,
        name,
        pciBus: text("pci.bus_id"),
        driver: text("driver_version"),
        computeCapability: /^\d+\.\d+$/.exec(text("compute_cap") ?? "")?.[0] ?? null,
        memoryTotalBytes: bytesOf(number("memory.total")),
        memoryFreeBytes: bytesOf(number("memory.free")),
        utilisation: number("utilization.gpu"),
        temperature: number("temperature.gpu"),
        powerWatts: number("power.draw"),
      },
    ];
  });
  // Without CUDA_DEVICE_ORDER the two orders may differ; we always set it.
  return gpus.sort((one, other) => (one.pciBus ?? "").localeCompare(other.pciBus ?? "") || one.index - other.index).map((gpu, index) => ({ ...gpu, index }));
}

/** "[N/A]", "[Not Supported]", "[Unknown Error]", "[GPU requires reset]" and their translations all stand in brackets. */
function textOf(value: string | undefined): string | null {
  return value === undefined || value === "" || value.startsWith("[") || /^n\/a$/i.test(value) ? null : value;
}

/** A number, also with a decimal comma or a unit behind it, as odd builds print them. */
function numberOf(value: string | undefined): number | null {
  const match = /^-?\d+(?:[.,]\d+)?(?=$|\s)/.exec(textOf(value) ?? "");
  return match === null ? null : Number(match[0].replace(",", "."));
}

function bytesOf(mebibytes: number | null): number | null {
  return mebibytes === null || mebibytes <= 0 ? null : mebibytes * MEBIBYTE;
}

/** PCI addresses in one form, `domain:bus:device.function` in lower case; null when it is none. Programs write the domain with eight, four or no digits. */
export function normalBus(address: string | null): string | null {
  const match = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i.exec(address ?? "");
  if (match === null) return null;
  const [domain = "0", bus = "", device = "", unit = ""] = match.slice(1);
  const hex = (digits: string, length: number): string => parseInt(digits, 16).toString(16).padStart(length, "0");
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${unit}`;
}
