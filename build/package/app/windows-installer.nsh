; Parts of the Windows installer that are ours; electron-builder makes the rest.

; The engine's archive lies beside the installer. The installed program has another folder, so it is told where to look.
!macro customInstall
  FileOpen $0 "$INSTDIR\resources\installer-folder.txt" w
  FileWriteUTF16LE /BOM $0 "$EXEDIR"
  FileClose $0
!macroend

; Program, engine and caches go; models and projects only after a yes to each. An update and a silent removal ask nothing and keep both.
!macro customUnInstall
  ${ifNot} ${isUpdated}
    StrCpy $R8 "$LOCALAPPDATA\Avatar Studio"
    RMDir /r "$R8\runtimes"
    RMDir /r "$R8\cache"
    RMDir /r "$R8\uploads"
    RMDir /r "$R8\downloads"
    RMDir /r "$R8\logs"
    Delete "$R8\sessions.json"
    RMDir /r "$APPDATA\avatar-studio"
    ${ifNot} ${Silent}
      ${if} ${FileExists} "$R8\checkpoints\*.*"
        MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON2 "Delete the models too? Model folders that you added from elsewhere stay." IDNO keepModels
        RMDir /r "$R8\checkpoints"
        RMDir /r "$R8\models"
        keepModels:
      ${endIf}
      ${if} ${FileExists} "$R8\projects\*.*"
        MessageBox MB_YESNO|MB_ICONQUESTION|MB_DEFBUTTON2 "Delete all projects, their videos and your settings too?" IDNO keepProjects
        RMDir /r "$R8\projects"
        RMDir /r "$R8\jobs"
        RMDir /r "$R8\wastebasket"
        Delete "$R8\*.*"
        keepProjects:
      ${endIf}
    ${endIf}
    RMDir "$R8"
  ${endIf}
!macroend
