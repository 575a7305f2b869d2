// A poster is drawn to PNG in the browser; without scripts the SVG is there to keep.
(() => {
  for (const button of document.querySelectorAll("button[data-draw]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const picture = new Image();
        picture.src = button.dataset.draw;
        await picture.decode();
        const canvas = document.createElement("canvas");
        canvas.width = picture.naturalWidth;
        canvas.height = picture.naturalHeight;
        canvas.getContext("2d").drawImage(picture, 0, 0);
        const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = button.dataset.name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      } finally {
        button.disabled = false;
      }
    });
  }
})();
