import { useRef } from "react";
import { Button, type ButtonProps } from "../../ui/Button.tsx";

export interface FilePickerProps extends Omit<ButtonProps, "onClick"> {
  readonly accept: string;
  readonly onFile: (file: File) => void;
}

/** A button that opens the system's dialog for one file. */
export function FilePicker({ accept, onFile, ...button }: FilePickerProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button {...button} onClick={() => input.current?.click()} />
      <input
        ref={input}
        type="file"
        accept={accept}
        hidden
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          // The same file may be chosen again after a failure.
          event.target.value = "";
          if (file !== undefined) onFile(file);
        }}
      />
    </>
  );
}
