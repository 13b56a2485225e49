import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextField } from "../../ui/Field.tsx";

const LONGEST = 200;

export function RenameDialog({ name, onRename, onClose }: { readonly name: string; readonly onRename: (name: string) => void; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const id = useId();
  const [typed, setTyped] = useState(name);
  const wanted = typed.trim();
  return (
    <Dialog
      open
      onClose={onClose}
      size="small"
      title={t("home.rename")}
      footer={
        <Button type="submit" form={id} variant="primary" disabled={wanted === ""}>
          {t("home.rename")}
        </Button>
      }
    >
      <form
        id={id}
        onSubmit={(event) => {
          event.preventDefault();
          if (wanted !== "") onRename(wanted);
        }}
      >
        <TextField label={t("home.name")} value={typed} onChange={setTyped} maxLength={LONGEST} autoFocus onFocus={(event) => event.target.select()} problem={wanted === "" ? t("home.nameEmpty") : null} />
      </form>
    </Dialog>
  );
}
