"""What the documentation says about each family: papers, ideas, deviations.

Numbers that follow from a spec are not written here; the page takes them from the spec.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_unet_studio.core.networks.spec import NetworkSpec


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the page on networks.

    Parameters
    ----------
    title
        The heading.
    slug
        Name of the figure's file.
    family
        Whose rows of the catalog belong here.
    ndim
        Which of them; both 2D and 3D if None.
    figure
        The row that is drawn.
    papers
        Full references.
    idea
        What distinguishes the family.
    deviations
        Where our rows differ from the papers, each in a sentence or two.
    """

    title: str
    slug: str
    family: str
    ndim: int | None = None
    figure: str
    papers: tuple[str, ...]
    idea: str
    deviations: tuple[str, ...]

    def holds(self, spec: NetworkSpec) -> bool:
        """Whether a network belongs into this section."""
        return spec.family == self.family and self.ndim in (None, spec.ndim)


SECTIONS = (
    Section(
        title="FCN",
        slug="fcn",
        family="fcn",
        figure="fcn-8s",
        papers=(
            "J. Long, E. Shelhamer, T. Darrell: *Fully Convolutional Networks for "
            "Semantic Segmentation.* CVPR 2015, 3431–3440. "
            "[doi:10.1109/CVPR.2015.7298965](https://doi.org/10.1109/CVPR.2015.7298965)",
            "K. Simonyan, A. Zisserman: *Very Deep Convolutional Networks for "
            "Large-Scale Image Recognition.* ICLR 2015. "
            "[arXiv:1409.1556](https://arxiv.org/abs/1409.1556)",
        ),
        idea="The first network to answer for every pixel: the fully connected layers "
        "of a classifier (VGG-16) become convolutions, and a transposed convolution "
        "that begins as linear interpolation enlarges their scores. Finer scores are "
        "*added*, not concatenated: FCN-32s takes the coarsest alone, FCN-16s adds "
        "those of the fourth pooling, FCN-8s those of the third as well. Objects come "
        "out with soft borders; the family is here to compare with.",
        deviations=(
            "Training starts from random weights with batch normalisation; the paper "
            "starts from weights learned on ImageNet and has no normalisation.",
            "The two convolutions that were fully connected have 512 channels instead "
            "of 4096 (`fc`), which a user can train.",
            "All convolutions are padded by half their kernel. The authors' code pads "
            "the image by 100 pixels and crops the answer; the sizes are the same.",
            "The layers that score begin like all others, not at zero, and the network "
            "is trained as a whole instead of stride by stride. The last enlargement "
            "learns like the others; the paper fixes it to interpolation.",
        ),
    ),
    Section(
        title="U-Net",
        slug="unet",
        family="unet",
        ndim=2,
        figure="unet",
        papers=(
            "O. Ronneberger, P. Fischer, T. Brox: *U-Net: Convolutional Networks for "
            "Biomedical Image Segmentation.* MICCAI 2015, LNCS 9351, 234–241. "
            "[doi:10.1007/978-3-319-24574-4_28]"
            "(https://doi.org/10.1007/978-3-319-24574-4_28)",
        ),
        idea="A contracting path finds out what is there, an expansive path where "
        "exactly. Per level two convolutions and a pooling that halves the resolution; "
        "on the way back an up-convolution, the features of the same level "
        "concatenated, and two convolutions again. In `unet-2015` nothing is padded: "
        "the output is smaller than the input, and large images are cut into tiles "
        "that overlap by what is lost.",
        deviations=(
            "The paper puts dropout at the end of the contracting path without saying "
            "where; in `unet-2015` it follows the two coarsest levels of the encoder.",
            "`unet`, `unet-32` and `unet-16` pad, as most do today; in `unet` and "
            "`unet-16` batch normalisation follows each convolution.",
            "`unet-teaching` enlarges by bilinear interpolation and a 1x1 convolution, "
            "and halves its widths before each enlargement.",
        ),
    ),
    Section(
        title="3D U-Net",
        slug="unet-3d",
        family="unet",
        ndim=3,
        figure="unet-3d-2016",
        papers=(
            "Ö. Çiçek, A. Abdulkadir, S. S. Lienkamp, T. Brox, O. Ronneberger: *3D "
            "U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation.* "
            "MICCAI 2016, LNCS 9901, 424–432. "
            "[doi:10.1007/978-3-319-46723-8_49]"
            "(https://doi.org/10.1007/978-3-319-46723-8_49)",
        ),
        idea="The same U in three dimensions, one level less deep. Widths double "
        "before each pooling, so that no level is a bottleneck, and up-convolutions "
        "keep their width. For stacks with thick slices, `pooling` can spare "
        "the axis across the slices.",
        deviations=(
            "The paper counts 19,069,955 parameters for `unet-3d-2016`, without those "
            "of batch normalisation and the biases of the up-convolutions; the table "
            "counts all.",
            "`unet-3d` is a small padded form.",
        ),
    ),
    Section(
        title="U-Net++",
        slug="unet-plus-plus",
        family="unet++",
        figure="unet++",
        papers=(
            "Z. Zhou, M. M. Rahman Siddiquee, N. Tajbakhsh, J. Liang: *UNet++: A "
            "Nested U-Net Architecture for Medical Image Segmentation.* DLMIA 2018, "
            "LNCS 11045, 3–11. [doi:10.1007/978-3-030-00889-5_1]"
            "(https://doi.org/10.1007/978-3-030-00889-5_1)",
            "Z. Zhou, M. M. Rahman Siddiquee, N. Tajbakhsh, J. Liang: *UNet++: "
            "Redesigning Skip Connections to Exploit Multiscale Features in Image "
            "Segmentation.* IEEE TMI 39, 1856–1867, 2020. "
            "[doi:10.1109/TMI.2019.2959609](https://doi.org/10.1109/TMI.2019.2959609)",
        ),
        idea="U-Nets of all depths in one. Each skip is a row of nodes $X^{i,j}$, and "
        "each node gets all earlier nodes of its row and the enlarged one from below. "
        "Every node of the finest row but the first has a head of its own in training "
        "(deep supervision). Prediction averages the heads' probabilities "
        "(`accurate`), takes the last (`fast`), or keeps only the nodes that one head "
        "needs ([pruning](#pruning-u-net)).",
        deviations=(
            'The catalog\'s rows average the heads; `mode="fast"` takes the last.',
            "`unet++-16` and `unet++-3d` are small forms of four levels with batch "
            "normalisation; the paper's network has five levels.",
            "The authors' code has dropout of 0.5 after each convolution; here "
            "there is none.",
        ),
    ),
    Section(
        title="UNet 3+",
        slug="unet-3-plus",
        family="unet3+",
        figure="unet3+-guided",
        papers=(
            "H. Huang, L. Lin, R. Tong, H. Hu, Q. Zhang, Y. Iwamoto, X. Han, Y.-W. "
            "Chen, J. Wu: *UNet 3+: A Full-Scale Connected UNet for Medical Image "
            "Segmentation.* ICASSP 2020, 1055–1059. "
            "[doi:10.1109/ICASSP40776.2020.9053405]"
            "(https://doi.org/10.1109/ICASSP40776.2020.9053405)",
        ),
        idea="Every level of the decoder sees every scale: finer features of the "
        "encoder are pooled, coarser ones of the decoder interpolated, all are brought "
        "to 64 channels and concatenated. With full-scale supervision each level "
        "answers in training; in the guided form the coarsest level also says whether "
        "there is any object at all. Few parameters, but costly: most work is done at "
        "full resolution with 320 channels.",
        deviations=(
            "In `unet3+-guided` presence is one logit, trained with a sigmoid; the "
            "paper has two with an argmax.",
            "Presence gates the answer in prediction only. In training each head and "
            "presence have their own losses.",
        ),
    ),
    Section(
        title="Residual U-Net",
        slug="resunet",
        family="resunet",
        figure="resunet",
        papers=(
            "Z. Zhang, Q. Liu, Y. Wang: *Road Extraction by Deep Residual U-Net.* IEEE "
            "Geoscience and Remote Sensing Letters 15, 749–753, 2018. "
            "[doi:10.1109/LGRS.2018.2802944](https://doi.org/10.1109/LGRS.2018.2802944)",
            "K. He, X. Zhang, S. Ren, J. Sun: *Identity Mappings in Deep Residual "
            "Networks.* ECCV 2016, LNCS 9908, 630–645. "
            "[doi:10.1007/978-3-319-46493-0_38]"
            "(https://doi.org/10.1007/978-3-319-46493-0_38)",
        ),
        idea="Each level is a residual unit: normalisation, ReLU and convolution, "
        "twice, added to its input. Strided convolutions pool, interpolation without "
        "weights enlarges. Gradients reach every level on a path without "
        "nonlinearities.",
        deviations=(
            "Where the width or the resolution changes, a 1x1 convolution projects the "
            "unit's input, without normalisation.",
            "As in the paper's table the image is convolved before the first "
            "normalisation, and none follows the last unit.",
            "The paper does not say how it enlarges; here the nearest pixel is "
            "repeated.",
        ),
    ),
    Section(
        title="Mobile U-Net",
        slug="mobile-unet",
        family="mobile-unet",
        figure="mobile-unet",
        papers=(
            "J. Jing, Z. Wang, M. Rätsch, H. Zhang: *Mobile-Unet: An efficient "
            "convolutional neural network for fabric defect detection.* Textile "
            "Research Journal 92, 30–42, 2022. [doi:10.1177/0040517520928604]"
            "(https://doi.org/10.1177/0040517520928604)",
            "M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen: *MobileNetV2: "
            "Inverted Residuals and Linear Bottlenecks.* CVPR 2018, 4510–4520. "
            "[doi:10.1109/CVPR.2018.00474](https://doi.org/10.1109/CVPR.2018.00474)",
        ),
        idea="The quick one: a MobileNetV2 encoder of inverted residuals (a 1x1 "
        "convolution widens, a depthwise one looks around, another 1x1 narrows), with "
        "skips at 1/2 to 1/16 of the resolution. In the figure, 3 × 32 means three "
        "such blocks of 32 channels.",
        deviations=(
            "The decoder is our own choice: per level interpolation, concatenation and "
            "two depthwise-separable convolutions. The paper of 2022 uses transposed "
            "convolutions.",
            "Padding is symmetric. There are no weights from ImageNet, and no last "
            "convolution of 1280 channels, which served classification.",
            "Nothing is skipped at full resolution: the encoder halves it at once.",
        ),
    ),
    Section(
        title="Eff-UNet",
        slug="eff-unet",
        family="eff-unet",
        figure="eff-unet-b0",
        papers=(
            "B. Baheti, S. Innani, S. Gajre, S. Talbar: *Eff-UNet: A Novel "
            "Architecture for Semantic Segmentation in Unstructured Environment.* CVPR "
            "Workshops 2020, 1473–1481. [doi:10.1109/CVPRW50498.2020.00187]"
            "(https://doi.org/10.1109/CVPRW50498.2020.00187)",
            "M. Tan, Q. V. Le: *EfficientNet: Rethinking Model Scaling for "
            "Convolutional Neural Networks.* ICML 2019, PMLR 97, 6105–6114. "
            "[arXiv:1905.11946](https://arxiv.org/abs/1905.11946)",
        ),
        idea="An EfficientNet encoder: inverted residuals whose channels are gated by "
        "their means over the image (squeeze-and-excitation), in eight sizes B0 to B7 "
        "that scale width and depth together. The gates make it look at whole images, "
        "so tiles agree only approximately. The decoder is a U-Net's. In the figure, "
        "3 × 80 means three blocks of 80 channels.",
        deviations=(
            "The decoder's widths are 256, 128, 64, 32 and 16; the paper does not "
            "list its own.",
            "Padding is symmetric, whereas the authors' EfficientNet pads strided "
            "convolutions more at the far end. There are no weights from ImageNet, and "
            "no last convolution of 1280 channels.",
            "The image keeps its size; the paper's sizes per B0 to B7 are not imposed.",
            "Batch normalisation remembers about ten batches (momentum 0.1 in torch's "
            "terms); the paper's 0.01 is meant for trainings many times as long.",
        ),
    ),
)

REMARKS: Mapping[str, str] = MappingProxyType(
    {
        "unet-16": "small and quick: what a CPU trains while one waits",
        "unet-32": 'the "U-Net" that U-Net++ compares itself with',
        "unet": "the common modern form",
        "unet-2015": "the paper, figure 1: 572² pixels in, 388² out",
        "unet-teaching": "what courses build",
        "fcn-32s": "the coarsest scores alone",
        "fcn-16s": "and those of the fourth pooling",
        "fcn-8s": "and those of the third pooling",
        "unet++-16": "small, four levels",
        "unet++": "the paper's widths",
        "unet++-3d": "small, in 3D",
        "unet3+": "full-scale skips alone",
        "unet3+-deep": "with full-scale supervision",
        "unet3+-guided": "and with the classification-guided module",
        "resunet": "the paper, table I",
        "resunet-3d": "small, in 3D",
        "mobile-unet": "for speed",
        "eff-unet-b0": "the smallest of eight",
        "eff-unet-b7": "the largest of eight",
        "unet-3d": "small",
        "unet-3d-2016": "the paper, figure 2: 132x132x116 voxels in, 44x44x28 out",
    }
)
